import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { chainOf } from "../../../src/business/ai/AiRouting.ts"
import type { AiSettings } from "../../../src/core/settings/providers/Ai.ts"
import type { AiError, AiRequest } from "../../../src/domain/ai/Ai.ts"
import { newCaller } from "../../fixtures/http/Callers.ts"
import { appWithProviders, FakeProvider } from "../../fixtures/vendors/FakeAi.ts"

const request: AiRequest = {
  messages: [{ role: "user", content: "hello" }],
  model: null,
  complexity: null,
  temperature: 1,
  max_tokens: 10,
}

const vendor = (provider: "openai" | "anthropic" | "google") => ({
  provider,
  apiKey: Redacted.make("key"),
  baseUrl: null,
})
const gpt = { provider: "openai", model: "gpt-4o" } as const
const claude = { provider: "anthropic", model: "claude-sonnet-5-5" } as const
const gemini = { provider: "google", model: "gemini-3.8-flash" } as const

const settings: AiSettings = {
  providers: [vendor("openai"), vendor("anthropic"), vendor("google")],
  default: gpt,
  routes: { simple: gemini, moderate: gpt, complex: claude, search: gemini },
  fallbacks: [claude, gemini],
}

describe("chainOf", () => {
  it.each([
    ["the default model", {}, gpt],
    ["the model of the complexity", { complexity: "complex" }, claude],
    [
      "the named model, whatever the complexity",
      { model: "gpt-5", complexity: "complex" },
      "openai/gpt-5",
    ],
    ["the provider of the model's family", { model: "claude-opus-5" }, "anthropic/claude-opus-5"],
    ["the named provider", { model: "google/gpt-4o" }, "google/gpt-4o"],
    ["a model whose name contains slashes", { model: "openai/a/b" }, "openai/a/b"],
    ["the default provider, if the model is unknown", { model: "llama/7b" }, "openai/llama/7b"],
  ] as const)("begins with %s", (_, input, expected) => {
    const [first] = chainOf(settings, { ...request, ...input })
    const name = (model: typeof first) => `${model?.provider}/${model?.model}`
    assert.strictEqual(name(first), typeof expected === "string" ? expected : name(expected))
  })

  it("has three models at most, and no provider twice", () => {
    const mini = { provider: "openai", model: "mini" } as const
    const haiku = { provider: "anthropic", model: "haiku" } as const
    const fallbacks = [mini, claude, gemini, haiku]
    assert.deepStrictEqual(chainOf({ ...settings, fallbacks }, request), [gpt, claude, gemini])
  })

  it("has only echo if no other provider is configured, whatever model is named", () => {
    const echo = { provider: "echo", model: "echo" } as const
    const onlyEcho = { ...settings, providers: [{ provider: "echo" as const }], default: echo }
    const input = { ...request, model: "gpt-4o" }
    assert.deepStrictEqual(chainOf({ ...onlyEcho, fallbacks: [] }, input), [echo])
  })
})

const openai = new FakeProvider("openai")
const anthropic = new FakeProvider("anthropic")
const google = new FakeProvider("google")
const all = [openai, anthropic, google]

interface Refusal {
  readonly refuses: AiError["reason"]
  readonly retry_after?: number
}

const thrice = (refuses: AiError["reason"]) =>
  Array.from({ length: 3 }, (): Refusal => ({ refuses }))

/** Scripts the three providers in the order in which they are called; null answers. */
const scriptProviders = (refusals: ReadonlyArray<Refusal | null>) => {
  for (const [at, provider] of all.entries()) {
    const tokens = { prompt: 1, completion: 1 }
    provider.calls = []
    provider.script = { parts: 1, ending: "stop", tokens, ...refusals[at] }
  }
}

/** The providers called, one entry per call. */
const calledProviders = () => all.flatMap(({ calls, name }) => calls.map(() => name))

const caller = Effect.map(newCaller(), ({ id }) => ({ id, plan: "free" as const }))

layer(appWithProviders(all), { excludeTestServices: true })("A refused AI call", (it) => {
  it.effect.each([
    ["overloaded", ["openai", "anthropic"]],
    ["unavailable", ["openai", "anthropic"]],
    ["rate_limited", ["openai", "anthropic"]],
    ["authentication", ["openai", "anthropic"]],
    ["context_length", ["openai", "anthropic"]],
    ["content_policy", ["openai"]],
    ["invalid_request", ["openai"]],
  ] as const)("a call refused as %s calls %o", ([refuses, expected]) =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      for (const open of [
        gateway.complete(yield* caller, request),
        Effect.scoped(gateway.stream(yield* caller, request).pipe(Effect.flatMap(Stream.runDrain))),
      ]) {
        scriptProviders([{ refuses }, null, null])
        const result = yield* Effect.result(open)
        assert.deepStrictEqual(calledProviders(), [...expected])
        assert.strictEqual(result._tag, expected.length === 1 ? "Failure" : "Success")
        if (result._tag === "Failure") {
          assert.include(result.failure, { _tag: "ValidationError", field: "messages" })
        }
      }
    }),
  )

  it.effect(
    "a prompt that is too long is not sent to a provider with a smaller context window",
    () =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        scriptProviders([null, null, { refuses: "context_length" }])
        const model = "gemini-3.8-flash"
        const failure = yield* Effect.flip(gateway.complete(yield* caller, { ...request, model }))
        assert.include(failure, { _tag: "ValidationError", field: "messages" })
        assert.deepStrictEqual(calledProviders(), ["google"])
      }),
  )

  it.effect.each([
    [
      "the earliest retry_after",
      [7, 3, 5].map((retry_after) => ({ refuses: "rate_limited", retry_after }) as const),
      ["ServiceUnavailableError", "ai", 3],
    ],
    [
      "a retry after 1 s, if overloaded providers give no time",
      thrice("overloaded"),
      ["ServiceUnavailableError", "ai", 1],
    ],
    [
      "a retry after 1 s, if rate-limited providers give no time",
      thrice("rate_limited"),
      ["ServiceUnavailableError", "ai", 1],
    ],
    [
      "an error that names the last provider",
      thrice("unavailable"),
      ["ExternalServiceError", "google", null],
    ],
    [
      "no detail of our API keys",
      thrice("authentication"),
      ["ServiceUnavailableError", "ai", null],
    ],
  ] as const)("by every provider answers with %s", ([, refusals, expected]) =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scriptProviders(refusals)
      const failure = yield* Effect.flip(gateway.complete(yield* caller, request))
      const { retry_after, service } = { retry_after: null, service: null, ...failure }
      assert.deepStrictEqual([failure._tag, service, retry_after], [...expected])
      assert.deepStrictEqual(calledProviders(), ["openai", "anthropic", "google"])
    }),
  )

  it.effect("a stream that breaks after its first text calls no other provider", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scriptProviders([null, null, null])
      openai.script = { ...openai.script, ending: "cut" }
      const failure = yield* gateway
        .stream(yield* caller, request)
        .pipe(Effect.flatMap(Stream.runDrain), Effect.scoped, Effect.flip)
      assert.include(failure, { _tag: "ExternalServiceError", service: "openai" })
      assert.deepStrictEqual(calledProviders(), ["openai"])
    }),
  )
})

layer(appWithProviders(all, { AI_FALLBACK_PROVIDERS: "google,openai" }), {
  excludeTestServices: true,
})("An AI call that is too long", (it) => {
  it.effect("calls no provider with a smaller context window, even after other errors", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scriptProviders([null, { refuses: "context_length" }, { refuses: "overloaded" }])
      const model = "claude-sonnet-5-5"
      const failure = yield* Effect.flip(gateway.complete(yield* caller, { ...request, model }))
      assert.include(failure, { _tag: "ServiceUnavailableError", retry_after: 1 })
      assert.deepStrictEqual(calledProviders(), ["anthropic", "google"])
    }),
  )
})
