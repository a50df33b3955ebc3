import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { tokensIn } from "../../../src/business/ai/TokenCount.ts"

describe("tokensIn", () => {
  it.effect.each(["", "hello", " wave".repeat(500), "Der Fluß, die Brücke. 你好!\n\n- [x] a"])(
    "matches the encoding: %#",
    (text) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* tokensIn(text), countTokens(text))
      }),
  )

  it.effect("counts a special token as plain text", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* tokensIn("<|endoftext|>"), 1)
    }),
  )

  it.effect.each(["a", "😀", "ab1"])("counts one long word of %j in parts", (word) =>
    Effect.gen(function* () {
      const some = yield* tokensIn(word.repeat(400))
      const exact = countTokens(word.repeat(400))
      assert.isAtLeast(some, exact)
      assert.isAtMost(some, exact + 8)
      // As one part this would take seconds; the count grows in proportion.
      assert.approximately((yield* tokensIn(word.repeat(40_000))) / some, 100, 5)
    }),
  )
})
