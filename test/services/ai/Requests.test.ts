import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { type AiVendor, asking, callOf, vendors } from "../../fixtures/vendors/AiVendors.ts"
import * as StrictVendor from "../../fixtures/vendors/StrictVendor.ts"

const parsed = (text: string): unknown => JSON.parse(text)

const json = (body: unknown): StrictVendor.Reply => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
})

/** Starts a vendor that accepts only documented requests. */
const started = (vendor: AiVendor, streaming: boolean) =>
  Effect.gen(function* () {
    const server = yield* StrictVendor.make({
      method: "POST",
      path: vendor.path(streaming),
      headers: Object.keys(vendor.headers),
      problems: () => [],
      handle: () =>
        streaming
          ? {
              status: 200,
              headers: { "content-type": "text/event-stream" },
              body: vendor.events(["Hello", " there"]).join(""),
            }
          : json(vendor.answer),
    })
    const provider = yield* asking(vendor.provider, vendor.environment(server.url))
    return { ...server, ...provider }
  })

describe.each(vendors)("A call of $provider", (vendor) => {
  const call = callOf(vendor)

  it.effect("follows the documentation", () =>
    Effect.gen(function* () {
      const { complete, spans, state, telemetry } = yield* started(vendor, false)
      const answer = yield* complete(call)
      assert.deepStrictEqual(state.violations, [])
      const [request] = state.requests
      assert.deepStrictEqual(parsed(request?.body ?? ""), vendor.body(false))
      assert.include(request?.headers, vendor.headers)
      assert.strictEqual(answer.content, "Hello there")
      assert.isTrue(answer.model.startsWith(vendor.model))
      assert.strictEqual(answer.finish_reason, "stop")
      assert.deepStrictEqual(answer.tokens, { prompt: 11, completion: 5 })
      assert.include(
        spans.map(({ name }) => name),
        `${vendor.provider}.complete`,
      )
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("follows the documentation as a stream", () =>
    Effect.gen(function* () {
      const { read, spans, state, telemetry } = yield* started(vendor, true)
      const { broken, parts, ...answer } = yield* read(call)
      assert.deepStrictEqual(state.violations, [])
      const [request] = state.requests
      assert.deepStrictEqual(parsed(request?.body ?? ""), vendor.body(true))
      assert.include(request?.headers, vendor.headers)
      assert.isNull(broken)
      assert.strictEqual(answer.text, "Hello there")
      assert.isTrue(answer.model?.startsWith(vendor.model))
      assert.strictEqual(answer.finish_reason, "stop")
      assert.deepStrictEqual(answer.tokens, { prompt: 11, completion: 5 })
      assert.deepStrictEqual(
        parts.map(({ text }) => text).filter((text) => text !== ""),
        ["Hello", " there"],
      )
      assert.include(
        spans.map(({ name }) => name),
        `${vendor.provider}.stream`,
      )
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("follows no redirect", () =>
    Effect.gen(function* () {
      const other = yield* started(vendor, false)
      const { complete, state } = yield* started(vendor, false)
      const location = `${other.url}${vendor.path(false)}`
      state.behaviour = { status: 307, headers: { location } }
      assert.strictEqual((yield* failureOf(complete(call))).reason, "unavailable")
      assert.lengthOf(other.state.requests, 0)
    }),
  )

  it.effect("ignores the environment variables of the SDK, and writes nothing to the console", () =>
    Effect.gen(function* () {
      const console_ = (["debug", "info", "log", "warn", "error"] as const).map((level) =>
        vi.spyOn(console, level),
      )
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          for (const [name, value] of Object.entries(foreign)) vi.stubEnv(name, value)
        }),
        () =>
          Effect.sync(() => {
            vi.unstubAllEnvs()
            vi.restoreAllMocks()
          }),
      )
      const { complete, state } = yield* started(vendor, false)
      yield* complete(call)
      assert.deepStrictEqual(state.violations, [])
      assert.include(state.requests[0]?.headers, vendor.headers)
      state.behaviour = { status: 400, body: "canary" }
      yield* failureOf(complete(call))
      assert.deepStrictEqual(
        console_.flatMap(({ mock }) => mock.calls.map((line) => line.join(" "))),
        [],
      )
    }),
  )

  it.effect.each([
    ["an empty object", {}],
    ["an unknown object", { hello: "canary" }],
    ["a list", [1]],
    ["null", null],
    ["a text", "canary"],
  ] as ReadonlyArray<[string, unknown]>)("is unavailable if the answer is %s", ([, body]) =>
    Effect.gen(function* () {
      const { complete, read, state } = yield* started(vendor, false)
      state.behaviour = json(body)
      assert.strictEqual((yield* failureOf(complete(call))).reason, "unavailable")
      assert.strictEqual((yield* failureOf(Effect.asVoid(read(call)))).reason, "unavailable")
    }),
  )
})

/** Variables that would redirect calls, change the account that pays, or enable logging. */
const foreign = {
  OPENAI_BASE_URL: "http://127.0.0.1:1",
  OPENAI_ORG_ID: "org",
  OPENAI_PROJECT_ID: "project",
  OPENAI_ADMIN_KEY: "admin",
  OPENAI_LOG: "debug",
  OPENAI_CUSTOM_HEADERS: "X-Custom: canary",
  ANTHROPIC_BASE_URL: "http://127.0.0.1:1",
  ANTHROPIC_AUTH_TOKEN: "token",
  ANTHROPIC_LOG: "debug",
  ANTHROPIC_CUSTOM_HEADERS: "X-Custom: canary",
  GOOGLE_GENAI_USE_VERTEXAI: "true",
  GOOGLE_GENAI_API_VERSION: "v2",
  GOOGLE_GEMINI_BASE_URL: "http://127.0.0.1:1",
  GOOGLE_CLOUD_PROJECT: "project",
}

describe("OpenAI", () => {
  const [openai] = vendors

  it.effect.each(["o3", "gpt-5-mini", "gpt-6-luna", "gpt-10"])(
    "sends %s no temperature, and its token limit in max_completion_tokens",
    (model) =>
      Effect.gen(function* () {
        assert(openai !== undefined)
        const { complete, state } = yield* started(openai, false)
        yield* complete({ ...callOf(openai), model })
        const body = parsed(state.requests[0]?.body ?? "")
        assert.deepStrictEqual(body, {
          model,
          messages: callOf(openai).messages,
          max_completion_tokens: 50,
        })
      }),
  )
})
