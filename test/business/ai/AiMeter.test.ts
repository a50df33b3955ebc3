import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AiMeter, maxPromptTokens } from "../../../src/business/ai/AiMeter.ts"
import { tokensIn } from "../../../src/business/ai/TokenCount.ts"
import type { AiPart } from "../../../src/domain/Ai.ts"

/** " wave" is one token, as is the prompt. */
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

describe("What a call took", () => {
  it.effect.each([
    ["as it was told", [text(3), end, counted(9, 11)], [9, 11], false],
    ["nothing, where that was told", [text(3), end, counted(0, 0)], [0, 0], false],
    ["by an estimate of all that was not told", [text(3), end], [1, 3], true],
    ["by an estimate of the prompt alone", [text(3), end, counted(null, 11)], [1, 11], true],
    ["by an estimate of the answer alone", [text(3), end, counted(9, null)], [9, 3], true],
    ["as far as it was delivered, of one that was cut", [counted(9, 1), text(4)], [9, 4], true],
    ["as far as it was counted, of one that was cut", [text(1), counted(9, 7)], [9, 7], true],
    ["as much as an answer holds", [counted(max, 1), end, text(1)], [max, 1], false],
    ["as it was told last", [counted(9, 1), text(3), counted(9, 3), end], [9, 3], false],
  ] as const)("is %s", ([, parts, [prompt_tokens, completion_tokens], estimated]) =>
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

describe("A prompt is reserved for, without being counted,", () => {
  it.effect.each([
    ["English", "What is an analytical engine, and who has thought of the first one? "],
    ["Chinese", "什么是分析机？是谁最先想到的？请用简单的话来解释一下它的原理。"],
    ["Russian", "Что такое аналитическая машина и кто придумал её первым? "],
    ["Thai", "เครื่องวิเคราะห์คืออะไร และใครเป็นคนแรกที่คิดค้นมันขึ้นมา"],
  ] as const)("by at least what it takes, and at most four times that, in %s", ([, text]) =>
    Effect.gen(function* () {
      const content = text.repeat(20)
      const tokens = yield* tokensIn(content)
      const reserved = maxPromptTokens([{ role: "user", content }])
      assert.isAtLeast(reserved, tokens)
      assert.isAtMost(reserved, tokens * 4)
    }),
  )
})
