import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { AiError } from "../../../src/domain/ai/Ai.ts"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { type AiVendor, asking, callOf, vendors } from "../../fixtures/vendors/AiVendors.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import * as StreamServer from "../../fixtures/servers/StreamServer.ts"

const vendorBy = Object.fromEntries(vendors.map((vendor) => [vendor.provider, vendor]))

/** Starts a provider and its server; `answer` scripts a JSON response. */
const started = (vendor: AiVendor) =>
  Effect.gen(function* () {
    const server = yield* StreamServer.make
    const provider = yield* asking(vendor.provider, vendor.environment(server.url))
    const answer = (
      status: number,
      body: unknown,
      headers: Readonly<Record<string, string>> = {},
    ) => {
      server.state.script = {
        status,
        headers: { "content-type": "application/json", ...headers },
        parts: [JSON.stringify(body)],
        last: "end",
      }
    }
    return { ...server, ...provider, answer }
  })

interface Refused {
  readonly by: AiVendor["provider"]
  readonly status: number
  readonly code: string
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly reason: AiError["reason"]
  readonly retryAfter?: number
}

const tooLong = "The input token count (1200000) exceeds the maximum number of tokens allowed."

const refusals: ReadonlyArray<Refused> = [
  { by: "openai", status: 400, code: "context_length_exceeded", reason: "context_length" },
  { by: "openai", status: 400, code: "content_policy_violation", reason: "content_policy" },
  { by: "openai", status: 400, code: "content_filter", reason: "content_policy" },
  { by: "openai", status: 400, code: "canary", reason: "invalid_request" },
  { by: "openai", status: 429, code: "insufficient_quota", reason: "authentication" },
  {
    by: "openai",
    status: 429,
    code: "rate_limit_exceeded",
    headers: { "retry-after": "60", "retry-after-ms": "6500" },
    reason: "rate_limited",
    retryAfter: 7,
  },
  // For a server error, the code is ignored.
  { by: "openai", status: 500, code: "insufficient_quota", reason: "unavailable" },
  {
    by: "anthropic",
    status: 400,
    code: "invalid_request_error",
    message: "prompt is too long: 210000 tokens > 200000 maximum",
    reason: "context_length",
  },
  {
    by: "anthropic",
    status: 400,
    code: "invalid_request_error",
    message: "Output blocked by content filtering policy",
    reason: "content_policy",
  },
  {
    by: "anthropic",
    status: 400,
    code: "invalid_request_error",
    message: "Your credit balance is too low to access the Claude API.",
    reason: "authentication",
  },
  { by: "anthropic", status: 402, code: "billing_error", reason: "authentication" },
  { by: "anthropic", status: 403, code: "permission_error", reason: "authentication" },
  { by: "anthropic", status: 400, code: "invalid_request_error", reason: "invalid_request" },
  {
    by: "google",
    status: 400,
    code: "INVALID_ARGUMENT",
    message: tooLong,
    reason: "context_length",
  },
  {
    by: "google",
    status: 400,
    code: "INVALID_ARGUMENT",
    message: "API key not valid. Please pass a valid API key.",
    reason: "authentication",
  },
  { by: "google", status: 400, code: "INVALID_ARGUMENT", reason: "invalid_request" },
]

describe("A refusal", () => {
  it.effect.each(refusals)(
    "a refusal by $by, $status $code: $message, is $reason",
    ({ by, code, headers, message = "Not for canary", reason, retryAfter, status }) =>
      Effect.gen(function* () {
        const vendor = vendorBy[by]
        assert(vendor !== undefined)
        const { answer, complete, logs, read, state, telemetry } = yield* started(vendor)
        answer(status, vendor.error(message, code), headers)
        const call = callOf(vendor)
        for (const ask of [Effect.asVoid(complete(call)), Effect.asVoid(read(call))]) {
          const failure = yield* failureOf(ask)
          assert.strictEqual(failure.reason, reason)
          assert.strictEqual(failure.retry_after, retryAfter)
        }
        assert.lengthOf(state.requests, 2)
        assert.lengthOf(
          logs.filter((line) => line.includes(`rejected our API key"]`) && line.includes(by)),
          reason === "authentication" ? 2 : 0,
        )
        assert.deepStrictEqual(secretsIn(yield* telemetry), [])
      }),
  )

  it.effect("a refusal by Google has its retry delay in the body", () =>
    Effect.gen(function* () {
      const google = vendorBy["google"]
      assert(google !== undefined)
      const { answer, complete } = yield* started(google)
      const details = [{ reason: "RATE" }, { retryDelay: "34.07s" }]
      answer(429, { error: { code: 429, status: "RESOURCE_EXHAUSTED", details } })
      const failure = yield* failureOf(complete(callOf(google)))
      assert.include(failure, { reason: "rate_limited", retry_after: 35 })
    }),
  )

  it.effect("a prompt that Google refuses is an answer without a candidate", () =>
    Effect.gen(function* () {
      const google = vendorBy["google"]
      assert(google !== undefined)
      const { answer, complete, read, state } = yield* started(google)
      const blocked = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } }
      answer(200, blocked)
      const call = callOf(google)
      assert.strictEqual((yield* failureOf(complete(call))).reason, "content_policy")
      state.script = { parts: [`data: ${JSON.stringify(blocked)}\n\n`], last: "end" }
      assert.strictEqual((yield* failureOf(Effect.asVoid(read(call)))).reason, "content_policy")
    }),
  )
})

/** Returns the events before the first text. */
const textless = (events: ReadonlyArray<string>) =>
  events.slice(
    0,
    events.findIndex((event) => event.includes("Hello")),
  )

const overloaded: Readonly<Record<AiVendor["provider"], string>> = {
  openai: `data: {"error":{"message":"canary","type":"overloaded_error","code":null}}\n\n`,
  anthropic: `event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"canary"}}\n\n`,
  google: `data: {"error":{"code":503,"message":"canary","status":"UNAVAILABLE"}}\n\n`,
}

describe.each(vendors)("$provider", (vendor) => {
  const call = callOf(vendor)

  it.effect("is retried if it reports overload before the first text of a stream", () =>
    Effect.gen(function* () {
      const { read, state, telemetry } = yield* started(vendor)
      const parts = [...textless(vendor.events(["Hello"])), overloaded[vendor.provider]]
      state.script = { parts, last: "silence" }
      assert.strictEqual((yield* failureOf(Effect.asVoid(read(call)))).reason, "overloaded")
      assert.lengthOf(state.requests, 2)
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("is retried once if the connection is lost before an answer", () =>
    Effect.gen(function* () {
      const { answer, complete, read, state } = yield* started(vendor)
      state.lost = 1
      answer(200, vendor.answer)
      assert.strictEqual((yield* complete(call)).content, "Hello there")
      state.lost = 1
      state.script = { parts: vendor.events(["Hello"]), last: "end" }
      assert.strictEqual((yield* read(call)).text, "Hello")
      assert.lengthOf(state.requests, 4)
      state.lost = 9
      assert.strictEqual((yield* failureOf(complete(call))).reason, "unavailable")
      assert.lengthOf(state.requests, 6)
    }),
  )

  it.effect("fails the stream if it reports overload after a text", () =>
    Effect.gen(function* () {
      const { read, state, telemetry } = yield* started(vendor)
      const events = vendor.events(["Hello"])
      const begun = events.slice(0, textless(events).length + 1)
      state.script = { parts: [...begun, overloaded[vendor.provider]], last: "end" }
      const { broken, text } = yield* read(call)
      assert.strictEqual(text, "Hello")
      assert.strictEqual(broken?.reason, "overloaded")
      assert.lengthOf(state.requests, 1)
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("is not called while its circuit breaker is open, and returns a retry_after", () =>
    Effect.gen(function* () {
      const { answer, complete, read, state } = yield* started(vendor)
      answer(500, {})
      for (let at = 0; at < 5; at += 1) yield* failureOf(complete(call))
      assert.lengthOf(state.requests, 5)
      for (const ask of [Effect.asVoid(complete(call)), Effect.asVoid(read(call))]) {
        const failure = yield* failureOf(ask)
        assert.strictEqual(failure.reason, "unavailable")
        assert.isAtLeast(failure.retry_after ?? 0, 1)
      }
      assert.lengthOf(state.requests, 5)
    }),
  )

  it.effect("times out after two minutes without an answer, without a retry", () =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      const failure = yield* by(({ complete }) =>
        Effect.gen(function* () {
          const caller = yield* Effect.forkChild(failureOf(complete(call)))
          yield* eventually(Effect.sync(() => state.requests.length === 1))
          yield* TestClock.adjust("2 minutes")
          return yield* Fiber.join(caller)
        }),
      )
      assert.strictEqual(failure.reason, "unavailable")
      assert.lengthOf(state.requests, 1)
      yield* eventually(Effect.sync(() => state.left === 1))
    }),
  )
})
