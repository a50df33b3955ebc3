import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { _iterSSEMessages } from "openai/core/streaming"
import { type Caller, newCaller } from "../fixtures/http/Callers.ts"
import { application, Providers } from "../fixtures/servers/Gateway.ts"
import { send } from "../fixtures/http/Http.ts"

/** Third-party mock providers behind the whole application: answers to clients, and entries in the ledger. */

const models = [
  ["openai", "gpt-4o"],
  ["anthropic", "claude-sonnet-4-5"],
  ["google", "gemini-2.5-flash"],
] as const

const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }

const ask = (caller: Caller, body: object, path = "chat") =>
  send({ path: `/api/v1/app/ai/${path}`, token: caller.token, json: body })

const Spent = Schema.Struct({ ai_tokens: Schema.Int, ai_requests: Schema.Int })

/** Returns the usage that the API reports to the caller. */
const spentBy = (caller: Caller) =>
  Effect.map(send({ path: "/api/v1/app/usage/current-period", token: caller.token }), ({ json }) =>
    Schema.decodeUnknownSync(Spent)(json),
  )

/** Reads events with a third-party parser. */
const eventsOf = (text: string) =>
  Effect.promise(() => Array.fromAsync(_iterSSEMessages(new Response(text), new AbortController())))

layer(application, { excludeTestServices: true })(
  "The AI gateway with third-party mock providers",
  (it) => {
    it.effect.each(models)("returns the answer of %s, and meters its usage", ([provider, model]) =>
      Effect.gen(function* () {
        const mock = yield* Providers
        mock.onMessage(`whole ${provider}`, { content: "Hello there, Ada.", usage })
        const caller = yield* newCaller()
        const answer = yield* ask(caller, { prompt: `whole ${provider}`, model })
        assert.strictEqual(answer.status, 200, answer.text)
        const { latency_ms: _, ...rest } = Object(answer.json) as Record<string, unknown>
        assert.deepStrictEqual(rest, {
          content: "Hello there, Ada.",
          model,
          provider,
          usage,
          finish_reason: "stop",
        })
        assert.deepStrictEqual(yield* spentBy(caller), { ai_tokens: 12, ai_requests: 1 })
      }),
    )

    it.effect.each(models)("streams the answer of %s, line breaks included", ([provider, model]) =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const content = "One\ntwo\n\n  three: data: [DONE]\n"
        mock.onMessage(`stream ${provider}`, { content, usage })
        const caller = yield* newCaller()
        const answer = yield* ask(caller, { prompt: `stream ${provider}`, model, stream: true })
        assert.strictEqual(answer.headers["content-type"]?.split(";")[0], "text/event-stream")
        const events = yield* eventsOf(answer.text)
        const texts = events.filter(({ event }) => event === null).map(({ data }) => data)
        assert.strictEqual(texts.pop(), "[DONE]")
        assert.strictEqual(texts.join(""), content)
        const last = events.find(({ event }) => event === "usage")
        assert.include(JSON.parse(last?.data ?? "{}"), { ...usage, provider })
        assert.deepStrictEqual(yield* spentBy(caller), { ai_tokens: 12, ai_requests: 1 })
      }),
    )

    it.effect("ends an interrupted stream with an error, and charges the delivered part", () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const content = "word ".repeat(60)
        mock.onMessage("cut", { content, usage }, { truncateAfterChunks: 10, latency: 10 })
        const caller = yield* newCaller()
        const answer = yield* ask(caller, { prompt: "cut", model: "gpt-4o", stream: true })
        const events = yield* eventsOf(answer.text)
        assert.strictEqual(events.at(-1)?.event, "error", answer.text)
        assert.include(events.at(-1)?.data, "EXTERNAL_SERVICE_ERROR")
        assert.notInclude(answer.text, "[DONE]")
        const { ai_tokens, ai_requests } = yield* spentBy(caller)
        assert.isAbove(ai_tokens, 5)
        assert.isBelow(ai_tokens, 40)
        assert.strictEqual(ai_requests, 1)
      }),
    )

    it.effect("falls back when a provider fails, and does not charge its call", () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const failing = { error: { message: "canary: no", type: "server_error" }, status: 500 }
        mock.addFixture({ match: { userMessage: "fall", model: "gpt-4o" }, response: failing })
        mock.onMessage("fall", { content: "Caught.", usage })
        const caller = yield* newCaller()
        const answer = yield* ask(caller, { prompt: "fall", model: "gpt-4o" })
        assert.include(Object(answer.json), { provider: "anthropic", content: "Caught." })
        assert.deepStrictEqual(yield* spentBy(caller), { ai_tokens: 12, ai_requests: 1 })
      }),
    )

    it.effect("reports a refused prompt without the provider's own words", () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        mock.onMessage("policy", {
          error: {
            message: "canary",
            type: "invalid_request_error",
            code: "content_policy_violation",
          },
          status: 400,
        })
        const before = mock.getRequests().length
        const caller = yield* newCaller()
        const answer = yield* ask(caller, { prompt: "policy", model: "gpt-4o" })
        assert.strictEqual(answer.status, 422)
        assert.notInclude(answer.text, "canary")
        assert.strictEqual(mock.getRequests().length - before, 1)
        assert.deepStrictEqual(yield* spentBy(caller), { ai_tokens: 0, ai_requests: 0 })
      }),
    )

    it.effect.each(["google/", "google/a..b", "google//a", "/a", "a/", "a?b"])(
      "refuses the model name %s, and does not open the provider's breaker",
      (model) =>
        Effect.gen(function* () {
          const mock = yield* Providers
          mock.onMessage("named", { content: "Hi.", usage })
          const caller = yield* newCaller()
          const body = { prompt: "named", model }
          for (let time = 0; time < 12; time += 1) {
            assert.strictEqual((yield* ask(caller, body)).status, 422)
          }
          const answer = yield* ask(caller, { prompt: "named", model: "gemini-2.5-flash" })
          assert.include(Object(answer.json), { provider: "google" })
        }),
    )

    it.effect("calls no provider for an invalid request", () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const before = mock.getRequests().length
        const caller = yield* newCaller()
        const bad = [
          { prompt: " " },
          { prompt: "x", temperature: 3 },
          { prompt: "x", max_tokens: 0 },
          { prompt: "x", model: "a".repeat(256) },
        ]
        for (const body of bad) assert.strictEqual((yield* ask(caller, body)).status, 422)
        assert.strictEqual(mock.getRequests().length, before)
      }),
    )
  },
)
