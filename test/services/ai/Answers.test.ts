import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { FinishReason } from "../../../src/domain/ai/Ai.ts"
import { type AiVendor, asking, callOf, vendors } from "../../fixtures/vendors/AiVendors.ts"
import * as StreamServer from "../../fixtures/servers/StreamServer.ts"

const started = (vendor: AiVendor) =>
  Effect.gen(function* () {
    const { state, url } = yield* StreamServer.make
    const provider = yield* asking(vendor.provider, vendor.environment(url))
    const answer = (text: string) => {
      const headers = { "content-type": "application/json" }
      state.script = { headers, parts: [text], last: "end" }
    }
    return { ...provider, state, answer }
  })

/** Each vendor's usual reason to stop, and the other reasons with their mapping. */
const ends: Readonly<
  Record<AiVendor["provider"], readonly [string, ReadonlyArray<[string, FinishReason]>]>
> = {
  openai: [
    "stop",
    [
      ["length", "length"],
      ["content_filter", "content_filter"],
      ["tool_calls", "stop"],
    ],
  ],
  anthropic: [
    "end_turn",
    [
      ["max_tokens", "length"],
      ["model_context_window_exceeded", "length"],
      ["refusal", "content_filter"],
      ["stop_sequence", "stop"],
    ],
  ],
  google: [
    "STOP",
    [
      ["MAX_TOKENS", "length"],
      ["SAFETY", "content_filter"],
      ["PROHIBITED_CONTENT", "content_filter"],
      ["OTHER", "stop"],
    ],
  ],
}

const replaced = (pattern: RegExp | string, by: string) => (text: string) =>
  text.replaceAll(pattern, by)

const uncounted = replaced(/"usage(?:Metadata)?"/g, `"other"`)

describe.each(vendors)("An answer of $provider", (vendor) => {
  const call = callOf(vendor)
  const [usual, others] = ends[vendor.provider]

  it.effect.each(others)("an answer with reason %s ends with %s", ([word, finish]) =>
    Effect.gen(function* () {
      const { answer, complete, read, state } = yield* started(vendor)
      const ended = replaced(`"${usual}"`, `"${word}"`)
      answer(ended(JSON.stringify(vendor.answer)))
      assert.strictEqual((yield* complete(call)).finish_reason, finish)
      state.script = { parts: vendor.events(["Hello"]).map(ended), last: "end" }
      assert.strictEqual((yield* read(call)).finish_reason, finish)
    }),
  )

  it.effect("an answer without counts has null counts, not zero", () =>
    Effect.gen(function* () {
      const { answer, complete, read, state } = yield* started(vendor)
      answer(uncounted(JSON.stringify(vendor.answer)))
      assert.deepStrictEqual((yield* complete(call)).tokens, { prompt: null, completion: null })
      state.script = { parts: vendor.events(["Hello"]).map(uncounted), last: "end" }
      const { broken, parts } = yield* read(call)
      assert.isNull(broken)
      assert.deepStrictEqual(
        parts.map(({ tokens }) => tokens).filter((tokens) => tokens?.completion),
        [],
      )
    }),
  )

  it.effect("may be empty", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      state.script = { parts: vendor.events([]), last: "end" }
      const { broken, finish_reason, text, tokens } = yield* read(call)
      assert.isNull(broken)
      assert.strictEqual(text, "")
      assert.strictEqual(finish_reason, "stop")
      assert.deepStrictEqual(tokens, { prompt: 11, completion: 5 })
    }),
  )

  it.effect("is complete once it has ended, even if the connection is cut afterwards", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      const events = vendor.events(["Hello"])
      const finish = events.findIndex((event) => event.includes(`"${usual}"`))
      state.script = { parts: events.slice(0, finish + 1), last: "cut" }
      const { broken, finish_reason } = yield* read(call)
      assert.isNull(broken)
      assert.strictEqual(finish_reason, "stop")
    }),
  )
})

describe("OpenAI", () => {
  it.effect("skips repeated events without text, such as during reasoning", () =>
    Effect.gen(function* () {
      const openai = vendors.find(({ provider }) => provider === "openai")
      assert(openai !== undefined)
      const { read, state } = yield* started(openai)
      const [first = "", ...others] = openai.events(["Hello"])
      state.script = {
        parts: [...Array.from({ length: 5000 }, () => first), ...others],
        last: "end",
      }
      const { broken, parts } = yield* read(callOf(openai))
      assert.isNull(broken)
      assert.deepStrictEqual(
        parts.map(({ text }) => text),
        ["", "Hello", "", ""],
      )
    }),
  )
})

describe("Google", () => {
  it.effect("is called once, even if its answer could be continued", () =>
    Effect.gen(function* () {
      const google = vendors.find(({ provider }) => provider === "google")
      assert(google !== undefined)
      const { answer, complete, state } = yield* started(google)
      const candidate = {
        content: { role: "model", parts: [{ text: "Hello" }] },
        finishReason: "CONTINUATION",
        continuationToken: "more",
      }
      answer(JSON.stringify({ candidates: [candidate] }))
      const { content, finish_reason } = yield* complete(callOf(google))
      assert.strictEqual(content, "Hello")
      assert.strictEqual(finish_reason, "length")
      assert.lengthOf(state.requests, 1)
    }),
  )
})
