import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Doors from "../../src/Doors.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { appWithProviders, FakeProvider } from "../fixtures/vendors/FakeAi.ts"
import { Http, send } from "../fixtures/http/Http.ts"

const openai = new FakeProvider("openai")
const anthropic = new FakeProvider("anthropic")

const server = Http.layer.pipe(
  Layer.provideMerge(Doors.layer),
  Layer.provideMerge(
    appWithProviders([openai, anthropic], {
      RATE_LIMIT_AI: "1000000/second",
      AI_DEFAULT_MODEL: "gpt-4o",
      AI_ROUTES: '{"complex":"anthropic/claude-opus-5"}',
    }),
  ),
)

const tokens = { prompt: 1, completion: 1 }

/** Returns the call that the provider received for this request. */
const callFor = Effect.fnUntraced(function* ({ calls }: FakeProvider, path: string, json: object) {
  const { token } = yield* newCaller()
  const before = calls.length
  const { status } = yield* send({ path: `/api/v1/app/ai/${path}`, token, json })
  assert.strictEqual(status, 200)
  const [call, ...more] = calls.slice(before)
  assert.lengthOf(more, 0)
  return call
})

layer(server, { excludeTestServices: true })("An AI endpoint", (it) => {
  it.effect("passes the messages of a conversation to the model", () =>
    Effect.gen(function* () {
      const messages = [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Who?" },
        { role: "assistant", content: "Me." },
        { role: "user", content: "Why?" },
      ] as const
      const settings = { temperature: 0.25, max_tokens: 77 }
      const given = { ...settings, messages, model: "gpt-4o-mini" }
      assert.deepStrictEqual(yield* callFor(openai, "completions", given), {
        ...settings,
        messages,
        model: "gpt-4o-mini",
        key: null,
      })
    }),
  )

  it.effect("passes a prompt to the model, after the system message", () =>
    Effect.gen(function* () {
      const call = yield* callFor(openai, "chat", { prompt: "Why?", system: "Be brief." })
      assert.deepStrictEqual(call?.messages, [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Why?" },
      ])
      assert.strictEqual(call?.model, "gpt-4o")
      const alone = yield* callFor(openai, "chat", { prompt: "Why?" })
      assert.deepStrictEqual(alone?.messages, [{ role: "user", content: "Why?" }])
    }),
  )

  it.effect("chooses the model for the given complexity", () =>
    Effect.gen(function* () {
      const given = { prompt: "Why?", complexity: "complex" }
      const call = yield* callFor(anthropic, "chat/routed", given)
      assert.strictEqual(call?.model, "claude-opus-5")
    }),
  )

  it.effect("marks a stream so that proxies do not buffer it", () =>
    Effect.gen(function* () {
      openai.script = { parts: 2, ending: "stop", tokens }
      const { token } = yield* newCaller()
      const { headers, status } = yield* send({
        path: "/api/v1/app/ai/chat",
        token,
        json: { prompt: "Why?", stream: true },
      })
      assert.strictEqual(status, 200)
      assert.include(headers, {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
      })
    }),
  )
})
