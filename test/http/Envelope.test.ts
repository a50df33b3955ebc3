import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { enveloped, kindOf, kindOfFailure } from "../../src/http/Envelope.ts"
import * as Errors from "../../src/domain/Errors.ts"

class UncodedError extends Schema.TaggedError<UncodedError>()(
  "UncodedError",
  {},
  { httpApiStatus: 400 },
) {}

describe("An error class", () => {
  it("has a code and an HTTP status", () => {
    for (const self of Object.values(Errors)) {
      const { code, status } = kindOf(self)
      assert.match(code, /^[A-Z_]+$/)
      assert.isAtLeast(status, 400)
    }
  })

  it("fails by its name when it has no code", () => {
    assert.throws(() => enveloped(UncodedError), /^UncodedError has no code/)
  })

  it("gives its code and status to its failures", () => {
    const failure = new Errors.RequestTimeoutError({ reason: "late" })
    assert.deepStrictEqual(kindOfFailure(failure), { code: "BAD_REQUEST", status: 408 })
    for (const bug of [new Error("bug"), new UncodedError({}), "text", undefined]) {
      assert.deepStrictEqual(kindOfFailure(bug), { code: "INTERNAL_ERROR", status: 500 })
    }
  })
})
