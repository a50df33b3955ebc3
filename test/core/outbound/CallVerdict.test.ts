import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as CallVerdict from "../../../src/core/outbound/CallVerdict.ts"

describe("CallVerdict", () => {
  it("classifies a response by its status", () => {
    const expected: ReadonlyArray<
      readonly [number, CallVerdict.CallVerdict["fault"], CallVerdict.CallVerdict["retry"]]
    > = [
      [304, "ours", "never"],
      [400, "ours", "never"],
      [401, "ours", "never"],
      [404, "ours", "never"],
      [408, "ours", "always"],
      [429, "ours", "always"],
      [500, "theirs", "if_repeatable"],
      [503, "theirs", "if_repeatable"],
      [529, "theirs", "if_repeatable"],
    ]
    for (const [status, fault, retry] of expected) {
      assert.deepStrictEqual(CallVerdict.ofStatus(status, undefined), { fault, retry })
    }
  })

  it("reads Retry-After in seconds or as a date, and ignores invalid values", () => {
    const now = Date.UTC(2026, 0, 1)
    const delay = (text: string | undefined) =>
      Duration.toMillis(CallVerdict.delayOf(CallVerdict.ofStatus(503, text), now))
    assert.strictEqual(delay("7"), 7000)
    assert.strictEqual(delay("Thu, 01 Jan 2026 00:01:00 GMT"), 60_000)
    assert.strictEqual(delay("Wed, 31 Dec 2025 00:00:00 GMT"), 0)
    for (const text of ["-1", "1.5", "soon", "", undefined]) assert.strictEqual(delay(text), 0)
  })
})
