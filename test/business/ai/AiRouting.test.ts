import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { chainOf } from "../../../src/business/ai/AiRouting.ts"
import type { AiSettings } from "../../../src/core/settings/Ai.ts"
import type { AiError, AiRequest } from "../../../src/domain/Ai.ts"
import { newCaller } from "../../fixtures/Callers.ts"
import { appWithProviders, FakeProvider } from "../../fixtures/FakeAi.ts"

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

describe("The models that are asked", () => {
  it.each([
    ["the default one", {}, gpt],
    ["that of a complexity", { complexity: "complex" }, claude],
    [
      "the one by name, rather than by complexity",
      { model: "gpt-5", complexity: "complex" },
      "openai/gpt-5",
    ],
    ["one of the family of the name", { model: "claude-opus-5" }, "anthropic/claude-opus-5"],
    ["one of the provider that is named", { model: "google/gpt-4o" }, "google/gpt-4o"],
    ["one with slashes in its name", { model: "openai/a/b" }, "openai/a/b"],
    ["one that nobody knows, of the default provider", { model: "llama/7b" }, "openai/llama/7b"],
  ] as const)("begin with %s", (_, asked, expected) => {
    const [first] = chainOf(settings, { ...request, ...asked })
    const name = (model: typeof first) => `${model?.provider}/${model?.model}`
    assert.strictEqual(name(first), typeof expected === "string" ? expected : name(expected))
  })

  it("are three at most, and none of a provider that was asked", () => {
    const mini = { provider: "openai", model: "mini" } as const
    const haiku = { provider: "anthropic", model: "haiku" } as const
    const fallbacks = [mini, claude, gemini, haiku]
    assert.deepStrictEqual(chainOf({ ...settings, fallbacks }, request), [gpt, claude, gemini])
  })

  it("are echo's, whatever is asked for, where there is nobody else", () => {
    const echo = { provider: "echo", model: "echo" } as const
    const alone = { ...settings, providers: [{ provider: "echo" as const }], default: echo }
    const asked = { ...request, model: "gpt-4o" }
    assert.deepStrictEqual(chainOf({ ...alone, fallbacks: [] }, asked), [echo])
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

/** What the three say, in the order in which they are asked; null is an answer. */
const scripted = (refusals: ReadonlyArray<Refusal | null>) => {
  for (const [at, provider] of all.entries()) {
    const tokens = { prompt: 1, completion: 1 }
    provider.calls = []
    provider.script = { parts: 1, ending: "stop", tokens, ...refusals[at] }
  }
}

/** Who was asked, and how often. */
const asked = () => all.flatMap(({ calls, name }) => calls.map(() => name))

const caller = Effect.map(newCaller(), ({ id }) => ({ id, plan: "free" as const }))

layer(appWithProviders(all), { excludeTestServices: true })("A call that is refused", (it) => {
  it.effect.each([
    ["overloaded", ["openai", "anthropic"]],
    ["unavailable", ["openai", "anthropic"]],
    ["rate_limited", ["openai", "anthropic"]],
    ["authentication", ["openai", "anthropic"]],
    ["context_length", ["openai", "anthropic"]],
    ["content_policy", ["openai"]],
    ["invalid_request", ["openai"]],
  ] as const)("as %s is asked of %o", ([refuses, expected]) =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      for (const open of [
        gateway.complete(yield* caller, request),
        Effect.scoped(gateway.stream(yield* caller, request).pipe(Effect.flatMap(Stream.runDrain))),
      ]) {
        scripted([{ refuses }, null, null])
        const result = yield* Effect.result(open)
        assert.deepStrictEqual(asked(), [...expected])
        assert.strictEqual(result._tag, expected.length === 1 ? "Failure" : "Success")
        if (result._tag === "Failure") {
          assert.include(result.failure, { _tag: "ValidationError", field: "messages" })
        }
      }
    }),
  )

  it.effect("as too long is asked of nobody who reads less", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scripted([null, null, { refuses: "context_length" }])
      const model = "gemini-3.8-flash"
      const failure = yield* Effect.flip(gateway.complete(yield* caller, { ...request, model }))
      assert.include(failure, { _tag: "ValidationError", field: "messages" })
      assert.deepStrictEqual(asked(), ["google"])
    }),
  )

  it.effect.each([
    [
      "when the first of them is free again",
      [7, 3, 5].map((retry_after) => ({ refuses: "rate_limited", retry_after }) as const),
      ["ServiceUnavailableError", "ai", 3],
    ],
    [
      "in a second, where they do not say when",
      thrice("overloaded"),
      ["ServiceUnavailableError", "ai", 1],
    ],
    ["in a second, too", thrice("rate_limited"), ["ServiceUnavailableError", "ai", 1]],
    [
      "that they failed, and who was the last",
      thrice("unavailable"),
      ["ExternalServiceError", "google", null],
    ],
    ["nothing of our keys", thrice("authentication"), ["ServiceUnavailableError", "ai", null]],
  ] as const)("by all of them is told %s", ([, refusals, expected]) =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scripted(refusals)
      const failure = yield* Effect.flip(gateway.complete(yield* caller, request))
      const { retry_after, service } = { retry_after: null, service: null, ...failure }
      assert.deepStrictEqual([failure._tag, service, retry_after], [...expected])
      assert.deepStrictEqual(asked(), ["openai", "anthropic", "google"])
    }),
  )

  it.effect("after its first text is asked of nobody else", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scripted([null, null, null])
      openai.script = { ...openai.script, ending: "cut" }
      const failure = yield* gateway
        .stream(yield* caller, request)
        .pipe(Effect.flatMap(Stream.runDrain), Effect.scoped, Effect.flip)
      assert.include(failure, { _tag: "ExternalServiceError", service: "openai" })
      assert.deepStrictEqual(asked(), ["openai"])
    }),
  )
})

layer(appWithProviders(all, { AI_FALLBACK_PROVIDERS: "google,openai" }), {
  excludeTestServices: true,
})("A call that is too long", (it) => {
  it.effect("is asked of nobody who reads less, whatever others said meanwhile", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      scripted([null, { refuses: "context_length" }, { refuses: "overloaded" }])
      const model = "claude-sonnet-5-5"
      const failure = yield* Effect.flip(gateway.complete(yield* caller, { ...request, model }))
      assert.include(failure, { _tag: "ServiceUnavailableError", retry_after: 1 })
      assert.deepStrictEqual(asked(), ["anthropic", "google"])
    }),
  )
})
