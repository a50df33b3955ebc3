import { assert, layer } from "@effect/vitest"
import { DateTime, type Duration, Effect, Fiber, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { AiReservations } from "../../../src/business/ai/AiReservations.ts"
import { Usage } from "../../../src/business/usage/Usage.ts"
import { now, Timestamp } from "../../../src/domain/Fields.ts"
import { asCaller, ledgerOf, request, written } from "../../fixtures/data/AiLedger.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { appWithProviders, FakeProvider, part } from "../../fixtures/vendors/FakeAi.ts"

const provider = new FakeProvider("openai")

layer(appWithProviders([provider], { PLAN_LIMITS: '{"free":{"ai_tokens":500}}' }), {
  excludeTestServices: true,
})("An AI call", (it) => {
  it.effect(
    "reserves tokens, so that 20 concurrent calls exceed the limit by one reservation at most",
    () =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        const caller = yield* asCaller
        provider.script = { parts: 1, ending: "stop", tokens: { prompt: 20, completion: 80 } }
        const call = Effect.result(gateway.complete(caller, request))
        const all = yield* Effect.all(
          Array.from({ length: 20 }, () => call),
          {
            concurrency: "unbounded",
          },
        )
        const refused = all.filter(({ _tag }) => _tag === "Failure")
        assert.isAbove(refused.length, 0)
        const { reserved, rows } = yield* ledgerOf(caller.id)
        assert.strictEqual(reserved, 0)
        const spent = rows
          .filter(({ metric }) => metric === "ai_tokens")
          .reduce((sum, { quantity }) => sum + quantity, 0)
        assert.isAtMost(spent, 500 + 102)

        yield* Effect.repeat(call, { until: ({ _tag }) => _tag === "Failure" })
        const failure = yield* Effect.flip(gateway.complete(caller, request))
        assert.include(failure, { _tag: "QuotaExceededError", metric: "ai_tokens", limit: 500 })
      }),
  )

  it.effect("counts an expired, unsettled reservation as spent, once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const reservations = yield* AiReservations
      const caller = yield* asCaller
      yield* reservations.reserve(caller, { model: "gpt-4o", tokens: 102 })
      assert.strictEqual(yield* reservations.sweep, 0)
      yield* sql`UPDATE usage_reservations SET expires_at = '2020-01-01T00:00:00.000Z'`
      yield* Effect.all([reservations.sweep, reservations.sweep], { concurrency: 2 })
      assert.deepStrictEqual(yield* ledgerOf(caller.id), {
        rows: written(102, true),
        reserved: 0,
      })
    }),
  )

  it.effect("costs nothing when the client disconnects before there is an answer", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      Object.assign(provider, {
        calls: [],
        script: { parts: 1, ending: "hang", tokens: { prompt: null, completion: null } },
      })
      const calling = yield* Effect.forkChild(gateway.complete(caller, request))
      yield* eventually(Effect.sync(() => provider.calls.length > 0))
      yield* Fiber.interrupt(calling)
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: [], reserved: 0 })
    }),
  )

  it.effect("counts against the limit of its calendar month", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const { record } = yield* Usage
      const caller = yield* asCaller
      provider.script = { parts: 1, ending: "stop", tokens: { prompt: 1, completion: 1 } }
      const month = (yield* now).slice(0, 7)
      const used = (source: string, occurred_at: Timestamp) =>
        record([
          {
            source: `${caller.id}:${source}`,
            user_id: caller.id,
            metric: "ai_tokens",
            quantity: 500,
            dimension: "gpt-4o",
            estimated: false,
            occurred_at,
          },
        ])
      const before = DateTime.subtract(DateTime.makeUnsafe(`${month}-01T00:00:00.000Z`), {
        milliseconds: 1,
      })
      yield* used("before", Timestamp.make(DateTime.formatIso(before)))
      yield* gateway.complete(caller, request)
      yield* used("now", Timestamp.make(`${month}-01T00:00:00.000Z`))
      const failure = yield* Effect.flip(gateway.complete(caller, request))
      assert.include(failure, { _tag: "QuotaExceededError", limit: 500, used: 502 })
    }),
  )

  it.effect("settles a broken stream before the client sees the failure", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      provider.script = { parts: 2, ending: "cut", tokens: { prompt: null, completion: null } }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* gateway.stream(caller, request)
          yield* Effect.flip(Stream.runDrain(events))
          const { reserved, rows } = yield* ledgerOf(caller.id)
          assert.deepStrictEqual({ reserved, rows }, { reserved: 0, rows: written(3, true) })
        }),
      )
    }),
  )

  it.effect("streams no empty texts", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      provider.script = { parts: 2, text: "", ending: "stop", tokens: { prompt: 1, completion: 0 } }
      const events = yield* Effect.scoped(
        Effect.flatMap(gateway.stream(yield* asCaller, request), Stream.runCollect),
      )
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["end"],
      )
    }),
  )

  it.effect("streams for ten minutes at most", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      provider.script = { parts: 9, ending: "stop", tokens: { prompt: null, completion: null } }
      const after = Effect.fnUntraced(function* (wait: Duration.Input) {
        let seen = 0
        const reading = Stream.runForEach(() => {
          seen += 1
          return seen === 2 ? TestClock.adjust(wait) : Effect.void
        })
        return yield* gateway
          .stream(caller, request)
          .pipe(
            Effect.flatMap(reading),
            Effect.scoped,
            Effect.provide(TestClock.layer()),
            Effect.result,
          )
      })
      assert.strictEqual((yield* after("10 minutes"))._tag, "Success")
      const late = yield* after("601 seconds")
      assert.include(late._tag === "Failure" && late.failure, { _tag: "ExternalServiceError" })
      const { rows } = yield* ledgerOf(caller.id)
      const tokens = rows.filter(({ metric }) => metric === "ai_tokens")
      // The third text arrived after the deadline, but it was delivered.
      assert.sameMembers(
        tokens.map(({ quantity }) => quantity),
        [1 + 9, 1 + 3],
      )
    }),
  )

  it.effect("answers with the metered usage", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      provider.script = { parts: 4, ending: "stop", tokens: { prompt: null, completion: 0 } }
      const { latency_ms: _, ...answer } = yield* gateway.complete(caller, request)
      assert.deepStrictEqual(answer, {
        content: part.repeat(4),
        model: "gpt-4o",
        provider: "openai",
        usage: { prompt_tokens: 1, completion_tokens: 0, total_tokens: 1 },
        finish_reason: "stop",
      })
      assert.deepStrictEqual((yield* ledgerOf(caller.id)).rows, written(1, true))
    }),
  )
})
