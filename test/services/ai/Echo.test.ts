import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { asking } from "../../fixtures/vendors/AiVendors.ts"

const call = {
  model: "echo",
  messages: [
    { role: "system" as const, content: "Be brief." },
    { role: "user" as const, content: "Hi" },
    { role: "assistant" as const, content: "Hello" },
    { role: "user" as const, content: "Who is\n there?" },
  ],
  temperature: 0.7,
  max_tokens: 5,
  key: null,
}

describe("Echo", () => {
  it.effect("repeats the last message of the user, and counts words", () =>
    Effect.gen(function* () {
      const { complete, read } = yield* asking("echo", {})
      assert.deepStrictEqual(yield* complete(call), {
        content: "You said: Who is\n there?",
        model: "echo",
        finish_reason: "stop",
        tokens: { prompt: 7, completion: 5 },
      })
      const { parts, ...streamed } = yield* read(call)
      assert.deepStrictEqual(
        parts.map(({ text }) => text),
        ["You", " said:", " Who", " is", "\n there?", ""],
      )
      assert.deepStrictEqual(streamed, {
        broken: null,
        text: "You said: Who is\n there?",
        model: "echo",
        finish_reason: "stop",
        tokens: { prompt: 7, completion: 5 },
      })
    }),
  )

  it.effect("stops at max_tokens", () =>
    Effect.gen(function* () {
      const { complete, read } = yield* asking("echo", {})
      const short = { ...call, max_tokens: 3 }
      assert.deepStrictEqual(yield* complete(short), {
        content: "You said: Who",
        model: "echo",
        finish_reason: "length",
        tokens: { prompt: 7, completion: 3 },
      })
      const { finish_reason, text, tokens } = yield* read(short)
      assert.strictEqual(text, "You said: Who")
      assert.strictEqual(finish_reason, "length")
      assert.deepStrictEqual(tokens, { prompt: 7, completion: 3 })
    }),
  )
})
