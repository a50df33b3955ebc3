import { inspect } from "node:util"
import { assert, layer } from "@effect/vitest"
import { Effect, Option, Stream, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import type { AiRequest } from "../../../src/domain/ai/Ai.ts"
import { secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { newCaller } from "../../fixtures/http/Callers.ts"
import { appWithProviders, FakeProvider } from "../../fixtures/vendors/FakeAi.ts"

const openai = new FakeProvider("openai")
const anthropic = new FakeProvider("anthropic")

const request = (model: string): AiRequest => ({
  messages: [{ role: "user", content: "canary-prompt" }],
  model,
  complexity: null,
  temperature: 0.5,
  max_tokens: 10,
})

const spans: Array<Tracer.NativeSpan> = []
const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  },
})

/** The scraped lines of the `llm_` metrics. */
const scraped = Effect.map(
  Effect.flatMap(Metrics, ({ render }) => render),
  (text) => text.split("\n").filter((line) => line.startsWith("llm_")),
)

const secondsOf = (name: string, lines: ReadonlyArray<string>) => {
  const line = lines.find((one) => one.startsWith(`llm_request_duration_seconds_sum{${name}`))
  return Number(line?.split(" ").at(-1) ?? 0)
}

const caller = Effect.map(newCaller(), ({ id }) => ({ id, plan: "free" as const }))

const openaiLabels = (name: string) => `provider="openai",model="${name}"`

const script = { parts: 2, ending: "stop" as const, tokens: { prompt: 7, completion: 5 } }

layer(appWithProviders([openai, anthropic]), { excludeTestServices: true })(
  "AI telemetry",
  (it) => {
    it.effect(
      "counts requests and tokens by provider and model, including failures and fallbacks",
      () =>
        Effect.gen(function* () {
          const gateway = yield* AiGateway
          Object.assign(openai, { script })
          Object.assign(anthropic, { script })
          yield* gateway.complete(yield* caller, request("gpt-4o"))
          yield* gateway.complete(yield* caller, request("gpt-4o"))
          yield* Effect.scoped(
            Effect.flatMap(gateway.stream(yield* caller, request("made-up-7b")), Stream.runDrain),
          )
          Object.assign(openai, { script: { ...script, refuses: "overloaded" } })
          const { model, provider } = yield* gateway.complete(yield* caller, request("gpt-4o"))
          assert.strictEqual(provider, "anthropic")

          const lines = yield* scraped
          assert.includeMembers(lines, [
            `llm_requests_total{${openaiLabels("gpt-4o")},status="success"} 2`,
            `llm_requests_total{${openaiLabels("gpt-4o")},status="error"} 1`,
            `llm_requests_total{${openaiLabels("other")},status="success"} 1`,
            `llm_requests_total{provider="anthropic",model="${model}",status="success"} 1`,
            `llm_tokens_total{${openaiLabels("gpt-4o")},type="prompt"} 14`,
            `llm_tokens_total{${openaiLabels("gpt-4o")},type="completion"} 10`,
            `llm_request_duration_seconds_count{${openaiLabels("gpt-4o")}} 3`,
          ])
          assert.notInclude(lines.join("\n"), "made-up")
        }),
    )

    it.effect(
      "measures the latency of the provider that answers, without the earlier attempts",
      () =>
        Effect.gen(function* () {
          const gateway = yield* AiGateway
          const { complete } = openai
          const slowComplete: typeof complete = (call) =>
            Effect.andThen(TestClock.adjust("40 seconds"), complete(call))
          Object.assign(openai, {
            script: { ...script, refuses: "overloaded" },
            complete: slowComplete,
          })
          const before = secondsOf('provider="anthropic"', yield* scraped)
          const { latency_ms } = yield* gateway
            .complete(yield* caller, request("o4-mini"))
            .pipe(Effect.provide(TestClock.layer()))
          Object.assign(openai, { complete })
          assert.strictEqual(latency_ms, 40_000)
          const after = yield* scraped
          assert.strictEqual(secondsOf(openaiLabels("o4-mini"), after), 40)
          assert.isBelow(secondsOf('provider="anthropic"', after) - before, 1)
        }),
    )

    it.effect("records usage under the model that answered", () =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        const sql = yield* SqlClient.SqlClient
        Object.assign(openai, { script: { ...script, refuses: "overloaded" } })
        const user = yield* caller
        const { model } = yield* gateway.complete(user, request("gpt-4o"))
        const rows = yield* sql`
          SELECT metric, dimension FROM usage_events WHERE user_id = ${user.id} ORDER BY metric`
        assert.notStrictEqual(model, "gpt-4o")
        assert.deepStrictEqual(rows, [
          { metric: "ai_requests", dimension: model },
          { metric: "ai_tokens", dimension: model },
        ])
      }),
    )

    it.effect(
      "creates a span by the OpenTelemetry conventions for generative AI, without the prompt",
      () =>
        Effect.gen(function* () {
          const gateway = yield* AiGateway
          const { complete } = openai
          const attempt: typeof complete = (call) => Effect.withSpan(complete(call), "attempt")
          Object.assign(openai, { script, complete: attempt })
          spans.length = 0
          yield* Effect.provideService(
            gateway.complete(yield* caller, request("gpt-4o")),
            Tracer.Tracer,
            tracer,
          )
          Object.assign(openai, { complete })
          const span = spans.find(({ name }) => name === "chat gpt-4o")
          const parent = spans.find(({ name }) => name === "attempt")?.parent
          assert.strictEqual(parent && Option.getOrThrow(parent), span)
          assert.deepStrictEqual(Object.fromEntries(span?.attributes ?? []), {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.max_tokens": 10,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 5,
          })
          assert.strictEqual(span?.status._tag, "Ended")
          const all = spans.map(({ attributes, events, name }) =>
            inspect([name, attributes, events], { depth: 9 }),
          )
          assert.deepStrictEqual(secretsIn(all.join("\n")), [])
        }),
    )

    it.effect("counts a cut stream as an error of its model", () =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        Object.assign(openai, {
          script: { parts: 2, ending: "cut", tokens: { prompt: null, completion: null } },
        })
        yield* Effect.scoped(
          Effect.flatMap(gateway.stream(yield* caller, request("o3")), Stream.runDrain),
        ).pipe(Effect.flip)
        assert.include(
          yield* scraped,
          'llm_requests_total{provider="openai",model="o3",status="error"} 1',
        )
      }),
    )
  },
)
