import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AiMeter, maxPromptTokens } from "../../../src/business/ai/AiMeter.ts"
import { tokensIn } from "../../../src/business/ai/TokenCount.ts"
import type { AiPart } from "../../../src/domain/ai/Ai.ts"

/** Repeats " wave", which is one token. The prompt "hello" is one token too. */
const text = (times: number): AiPart => ({
  text: " wave".repeat(times),
  model: null,
  finish_reason: null,
  tokens: null,
})
const counted = (prompt: number | null, completion: number | null): AiPart => ({
  ...text(0),
  tokens: { prompt, completion },
})
const end: AiPart = { ...text(0), finish_reason: "stop" }

const max = Number.MAX_SAFE_INTEGER

describe("AiMeter.usage", () => {
  it.effect.each([
    ["the reported counts", [text(3), end, counted(9, 11)], [9, 11], false],
    ["nothing, if zero is reported", [text(3), end, counted(0, 0)], [0, 0], false],
    ["an estimate, if no counts are reported", [text(3), end], [1, 3], true],
    [
      "an estimated prompt, if only the completion is reported",
      [text(3), end, counted(null, 11)],
      [1, 11],
      true,
    ],
    [
      "an estimated completion, if only the prompt is reported",
      [text(3), end, counted(9, null)],
      [9, 3],
      true,
    ],
    [
      "the delivered text of a cut stream, if that is more than its last report",
      [counted(9, 1), text(4)],
      [9, 4],
      true,
    ],
    [
      "the last report of a cut stream, if that is more than the delivered text",
      [text(1), counted(9, 7)],
      [9, 7],
      true,
    ],
    ["at most the largest safe integer", [counted(max, 1), end, text(1)], [max, 1], false],
    ["the last of several reports", [counted(9, 1), text(3), counted(9, 3), end], [9, 3], false],
  ] as const)("returns %s", ([, parts, [prompt_tokens, completion_tokens], estimated]) =>
    Effect.gen(function* () {
      const meter = new AiMeter([{ role: "user", content: "hello" }])
      for (const part of parts) meter.add(part)
      assert.deepStrictEqual(yield* meter.usage, {
        usage: {
          prompt_tokens,
          completion_tokens,
          total_tokens: Math.min(max, prompt_tokens + completion_tokens),
        },
        estimated,
      })
    }),
  )
})

describe("maxPromptTokens", () => {
  it.effect.each([
    ["English", "What is an analytical engine, and who has thought of the first one? "],
    ["Chinese", "什么是分析机？是谁最先想到的？请用简单的话来解释一下它的原理。"],
    ["Russian", "Что такое аналитическая машина и кто придумал её первым? "],
    ["Thai", "เครื่องวิเคราะห์คืออะไร และใครเป็นคนแรกที่คิดค้นมันขึ้นมา"],
  ] as const)(
    "bounds the tokens of a prompt from above, by a factor of 4 at most, in %s",
    ([, text]) =>
      Effect.gen(function* () {
        const content = text.repeat(20)
        const tokens = yield* tokensIn(content)
        const reserved = maxPromptTokens([{ role: "user", content }])
        assert.isAtLeast(reserved, tokens)
        assert.isAtMost(reserved, tokens * 4)
      }),
  )
})
