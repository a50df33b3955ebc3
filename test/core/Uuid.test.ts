import { assert, describe, it } from "@effect/vitest"
import { uuidV7 } from "../../src/core/Uuid.ts"

describe("uuidV7", () => {
  it("returns a UUID of version 7 and the variant of RFC 9562", () => {
    assert.match(uuidV7(), /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  })

  it("sorts by time of creation, even within one millisecond", () => {
    const ids = Array.from({ length: 20_000 }, uuidV7)
    assert.deepStrictEqual(ids.toSorted(), ids)
    assert.strictEqual(new Set(ids).size, ids.length)
  })
})
