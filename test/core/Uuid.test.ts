import { assert, describe, it } from "@effect/vitest"
import { uuidV7 } from "../../src/core/Uuid.ts"

describe("uuidV7", () => {
  it("is a UUID of version 7 and the variant of RFC 9562", () => {
    assert.match(uuidV7(), /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  })

  it("sorts as it was made, also many in one millisecond", () => {
    const made = Array.from({ length: 20_000 }, uuidV7)
    assert.deepStrictEqual(made.toSorted(), made)
    assert.strictEqual(new Set(made).size, made.length)
  })
})
