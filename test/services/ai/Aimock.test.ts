import { LLMock } from "@copilotkit/aimock"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { type AiVendor, asking, vendors } from "../../fixtures/vendors/AiVendors.ts"

/** Calls an independent mock through the vendors' own SDKs. */
const mocked = ({ environment, provider }: AiVendor) =>
  Effect.gen(function* () {
    const mock = yield* Effect.acquireRelease(
      Effect.promise(() => LLMock.create({ port: 0, chunkSize: 5 })),
      (running) => Effect.promise(() => running.stop()),
    )
    return { mock, ...(yield* asking(provider, environment(mock.url))) }
  })

const callTo = ({ model }: AiVendor) => ({
  model,
  messages: [{ role: "user" as const, content: "Hello, canary" }],
  temperature: 0.7,
  max_tokens: 100,
  key: null,
})

const counting = (prompt: number, completion: number) => ({
  usage: {
    prompt_tokens: prompt,
    completion_tokens: completion,
    input_tokens: prompt,
    output_tokens: completion,
    promptTokenCount: prompt,
    candidatesTokenCount: completion,
  },
})

const content = "Hi there, friend"

describe.each(vendors)("$provider", (vendor) => {
  const call = callTo(vendor)

  it.effect.each([
    ["the reported counts", 7, 4],
    ["a reported zero", 7, 0],
  ] as const)("returns a complete answer, with %s", ([, prompt, completion]) =>
    Effect.gen(function* () {
      const { complete, counted, mock, telemetry } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content, ...counting(prompt, completion) })
      const answer = yield* complete(call)
      assert.strictEqual(answer.content, content)
      assert.strictEqual(answer.finish_reason, "stop")
      assert.deepStrictEqual(answer.tokens, { prompt, completion })
      assert.strictEqual(yield* counted("success"), 1)
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect.each([
    ["the reported counts", 7, 4],
    ["a reported zero", 7, 0],
  ] as const)("streams an answer, and ends with %s", ([, prompt, completion]) =>
    Effect.gen(function* () {
      const { mock, read, telemetry } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content, ...counting(prompt, completion) })
      const { broken, finish_reason, parts, text, tokens } = yield* read(call)
      assert.isNull(broken)
      assert.strictEqual(text, content)
      assert.isAtLeast(parts.length, 4)
      assert.strictEqual(finish_reason, "stop")
      assert.deepStrictEqual(tokens, { prompt, completion })
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("waits for a slow answer", () =>
    Effect.gen(function* () {
      const { complete, mock, read } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content }, { latency: 40, chaos: { latencyMs: 300 } })
      assert.strictEqual((yield* complete(call)).content, content)
      assert.strictEqual((yield* read(call)).text, content)
    }),
  )

  it.effect.each([
    [429, "rate_limited", 1, 7],
    [500, "unavailable", 1, undefined],
    [502, "unavailable", 1, undefined],
    [503, "overloaded", 2, undefined],
    [529, "overloaded", 2, undefined],
    [401, "authentication", 1, undefined],
    [404, "invalid_request", 1, undefined],
    [400, "invalid_request", 1, undefined],
    [413, "context_length", 1, undefined],
  ] as const)("maps %i to %s, after %i requests", ([status, reason, requests, retryAfter]) =>
    Effect.gen(function* () {
      const { complete, logs, mock, read, telemetry } = yield* mocked(vendor)
      const error = { message: "Not for canary", type: "canary", code: "canary" }
      mock.onMessage(/Hello/, { error, status, retryAfter: 7 })
      for (const ask of [Effect.asVoid(complete(call)), Effect.asVoid(read(call))]) {
        mock.clearRequests()
        const failure = yield* failureOf(ask)
        assert.include(failure, { _tag: "AiError", provider: vendor.provider, reason })
        assert.strictEqual(failure.retry_after, retryAfter)
        assert.lengthOf(mock.getRequests(), requests)
      }
      assert.lengthOf(
        logs.filter((line) => line.includes("rejected our API key")),
        reason === "authentication" ? 2 : 0,
      )
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("retries immediately after a brief rate limit", () =>
    Effect.gen(function* () {
      const { complete, mock } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content })
      mock.nextRequestError(429)
      assert.strictEqual((yield* complete(call)).content, content)
      assert.lengthOf(mock.getRequests(), 2)
    }),
  )

  it.effect.each([
    [{ malformedRate: 1 }, 1],
    [{ dropRate: 1 }, 1],
    [{ disconnectRate: 1 }, 2],
  ] as const)("is unavailable, and retries only if there was no answer: %o, %d", ([chaos, times]) =>
    Effect.gen(function* () {
      const { complete, mock, read, telemetry } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content }, { chaos })
      for (const ask of [Effect.asVoid(complete(call)), Effect.asVoid(read(call))]) {
        mock.clearRequests()
        const failure = yield* failureOf(ask)
        assert.strictEqual(failure.reason, "unavailable")
        assert.lengthOf(mock.getRequests(), times)
      }
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("fails a cut stream after the delivered text", () =>
    Effect.gen(function* () {
      const { mock, read } = yield* mocked(vendor)
      mock.onMessage(/Hello/, { content }, { latency: 60, truncateAfterChunks: 4 })
      const { broken, text } = yield* read(call)
      assert.strictEqual(broken?.reason, "unavailable")
      assert.isNotEmpty(text)
      assert.isTrue(content.startsWith(text) && text !== content)
      assert.lengthOf(mock.getRequests(), 1)
    }),
  )
})
