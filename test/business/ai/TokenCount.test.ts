import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { tokensIn } from "../../../src/business/ai/TokenCount.ts"

describe("The tokens of a text", () => {
  it.effect.each(["", "hello", " wave".repeat(500), "Der Fluß, die Brücke. 你好!\n\n- [x] a"])(
    "are those of the encoding: %#",
    (text) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* tokensIn(text), countTokens(text))
      }),
  )

  it.effect("take what looks like a special token for text", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* tokensIn("<|endoftext|>"), 1)
    }),
  )

  it.effect.each(["a", "😀", "ab1"])("of one long word of %j are counted in parts", (word) =>
    Effect.gen(function* () {
      const some = yield* tokensIn(word.repeat(400))
      const exact = countTokens(word.repeat(400))
      assert.isAtLeast(some, exact)
      assert.isAtMost(some, exact + 8)
      // In one part it would take seconds, and in proportion it is as many.
      assert.approximately((yield* tokensIn(word.repeat(40_000))) / some, 100, 5)
    }),
  )
})
