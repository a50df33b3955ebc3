import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type Environment, Settings } from "../../../../src/core/settings/Settings.ts"

const aiOf = (environment: Environment) =>
  Settings.pipe(
    Effect.map(({ ai }) => ai),
    Effect.provide(
      Layer.fresh(
        Settings.layerFrom({ SECRET_KEY: "q8Zr3LxV0mN5tKc7WbY1uHs9JdGfPe2A", ...environment }),
      ),
    ),
  )

const openai = { OPENAI_API_KEY: "sk-1" }
const anthropic = { ANTHROPIC_API_KEY: "sk-2" }
const google = { GOOGLE_API_KEY: "sk-3" }
const staging = { ENVIRONMENT: "staging" }

describe("AI default model", () => {
  it.effect.each([
    [{}, "echo", "echo"],
    [{ AI_DEFAULT_PROVIDER: "openai", AI_DEFAULT_MODEL: "gpt-4o" }, "echo", "echo"],
    [{ ...google, ...anthropic, ...openai }, "openai", "gpt-4o"],
    [{ ...google, ...anthropic }, "anthropic", "claude-sonnet-5-5"],
    [google, "google", "gemini-3.8-flash"],
    [staging, "openai", "gpt-4o"],
    [{ ...openai, AI_DEFAULT_PROVIDER: "gemini" }, "google", "gemini-3.8-flash"],
    [{ ...openai, AI_DEFAULT_PROVIDER: "echo" }, "echo", "echo"],
    [{ ...openai, AI_DEFAULT_MODEL: "o3" }, "openai", "o3"],
    [{ ...openai, AI_DEFAULT_MODEL: "llama-3/70b" }, "openai", "llama-3/70b"],
    [{ ...anthropic, AI_DEFAULT_MODEL: "gpt-4o" }, "anthropic", "claude-sonnet-5-5"],
    [{ ...openai, AI_DEFAULT_MODEL: "gemini-2.5-pro" }, "openai", "gpt-4o"],
  ] as ReadonlyArray<[Environment, string, string]>)(
    "with %o is %s: %s",
    ([environment, provider, model]) =>
      Effect.gen(function* () {
        assert.deepStrictEqual<unknown>((yield* aiOf(environment)).default, { provider, model })
      }),
  )
})

describe("providers", () => {
  it.effect("include every provider with a key, and do not print the key", () =>
    Effect.gen(function* () {
      const { providers } = yield* aiOf({
        ...openai,
        ...google,
        GOOGLE_BASE_URL: "https://gemini.example.com/",
      })
      const [first, second, ...others] = providers
      assert(first?.provider === "openai" && second?.provider === "google")
      assert.deepStrictEqual(others, [])
      assert.strictEqual(Redacted.value(first.apiKey), "sk-1")
      assert.isNull(first.baseUrl)
      assert.strictEqual(second.baseUrl, "https://gemini.example.com")
      assert.notInclude(JSON.stringify(providers), "sk-")
    }),
  )

  it.effect("may be empty", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* aiOf(staging)).providers, [])
    }),
  )

  it.effect.each([
    { AI_DEFAULT_PROVIDER: "echo" },
    { AI_FALLBACK_PROVIDERS: "echo" },
    { AI_ROUTES: '{"simple":"echo/echo"}' },
  ])("include echo if it is requested by %o", (variables) =>
    Effect.gen(function* () {
      const names = (yield* aiOf({ ...openai, ...variables })).providers.map((one) => one.provider)
      assert.deepStrictEqual(names, ["openai", "echo"])
    }),
  )
})

describe("routes", () => {
  it.effect.each([
    [openai, ["openai/gpt-4o-mini", "openai/gpt-4o", "openai/gpt-4.1", "openai/gpt-4o"]],
    [
      { ...openai, AI_DEFAULT_MODEL: "gpt-5" },
      ["openai/gpt-4o-mini", "openai/gpt-5", "openai/gpt-4.1", "openai/gpt-5"],
    ],
    [
      anthropic,
      [
        "anthropic/claude-haiku-4-5",
        "anthropic/claude-sonnet-5-5",
        "anthropic/claude-opus-5-5",
        "anthropic/claude-sonnet-5-5",
      ],
    ],
    [
      google,
      [
        "google/gemini-3.5-flash-lite",
        "google/gemini-3.8-flash",
        "google/gemini-3.8-flash",
        "google/gemini-3.8-flash",
      ],
    ],
    [{ AI_ROUTES: '{"simple":"openai/gpt-4o"}' }, Array.from({ length: 4 }, () => "echo/echo")],
    [
      { ...openai, AI_ROUTES: '{"simple":"gemini/gemini-2.5-pro","search":"openai/org/model"}' },
      ["google/gemini-2.5-pro", "openai/gpt-4o", "openai/gpt-4.1", "openai/org/model"],
    ],
  ] as ReadonlyArray<[Environment, ReadonlyArray<string>]>)(
    "with %o are %o",
    ([environment, all]) =>
      Effect.gen(function* () {
        const { complex, moderate, search, simple } = (yield* aiOf(environment)).routes
        assert.deepStrictEqual(
          [simple, moderate, complex, search].map(({ model, provider }) => `${provider}/${model}`),
          [...all],
        )
      }),
  )
})

describe("fallbacks", () => {
  it.effect("keep their order and skip providers without a key", () =>
    Effect.gen(function* () {
      const { fallbacks } = yield* aiOf({
        ...openai,
        ...google,
        AI_FALLBACK_PROVIDERS: "gemini/gemini-2.5-pro, anthropic, openai",
      })
      assert.deepStrictEqual<unknown>(fallbacks, [
        { provider: "google", model: "gemini-2.5-pro" },
        { provider: "openai", model: "gpt-4o" },
      ])
    }),
  )
})
