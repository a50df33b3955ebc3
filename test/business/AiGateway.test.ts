import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { AiGateway } from "../../src/business/AiGateway.ts"
import { AiReservations } from "../../src/business/AiReservations.ts"
import type { AiRequest } from "../../src/domain/Ai.ts"
import type { UserId } from "../../src/domain/User.ts"
import { newCaller } from "../fixtures/Callers.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { appWithProviders, FakeProvider, part, type Script } from "../fixtures/FakeAi.ts"

const provider = new FakeProvider("openai")

/** One token of a prompt. */
const request: AiRequest = {
  messages: [{ role: "user", content: "hello" }],
  model: "gpt-4o",
  complexity: null,
  temperature: 0.7,
  max_tokens: 100,
}

interface Row {
  readonly metric: string
  readonly quantity: number
  readonly estimated: boolean | number
}

/** What the ledger and the sums say of a user, and what is reserved for him still. */
const ledgerOf = Effect.fnUntraced(function* (user: UserId) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Row>`
    SELECT metric, quantity, estimated FROM usage_events WHERE user_id = ${user} ORDER BY metric`
  const sums = yield* sql<{ readonly metric: string; readonly quantity: number }>`
    SELECT metric, sum(quantity) AS quantity FROM usage_daily
    WHERE user_id = ${user} GROUP BY metric ORDER BY metric`
  const reserved = yield* sql`SELECT id FROM usage_reservations WHERE user_id = ${user}`
  for (const { metric, quantity } of sums) {
    const all = rows.filter((row) => row.metric === metric)
    assert.strictEqual(
      Number(quantity),
      all.reduce((sum, row) => sum + row.quantity, 0),
    )
  }
  return {
    rows: rows.map(({ estimated, metric, quantity }) => ({
      metric,
      quantity,
      estimated: Boolean(estimated),
    })),
    reserved: reserved.length,
  }
})

const written = (tokens: number, estimated: boolean) => [
  { metric: "ai_requests", quantity: 1, estimated: false },
  { metric: "ai_tokens", quantity: tokens, estimated },
]

const asCaller = Effect.map(newCaller(), ({ id }) => ({ id, plan: "free" as const }))

const upTo = (maximum: number, minimum = 0) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Tokens delivered, where it fails, and where its client goes away: after so many events. */
const interleaving = Schema.Struct({
  parts: upTo(5),
  ending: Schema.Literals(["stop", "cut", "hang"]),
  tokens: Schema.Struct({
    prompt: Schema.NullOr(Schema.Literals([0, 9])),
    completion: Schema.NullOr(Schema.Literals([0, 11])),
  }),
  taken: upTo(7, 1),
})

layer(appWithProviders([provider]), { excludeTestServices: true })("A streamed call", (it) => {
  it.effect.prop(
    "costs what the provider gave away, wherever it fails and wherever its client goes away",
    [interleaving],
    ([{ taken, ...script }]) =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        const caller = yield* asCaller
        Object.assign(provider, { script, given: 0 })
        let seen = 0
        const reading = yield* Effect.forkChild(
          gateway.stream(caller, request).pipe(
            Effect.flatMap(
              Stream.runForEach(({ _tag }) => {
                if (_tag === "end") return Effect.void
                seen += 1
                return seen >= taken ? Effect.never : Effect.void
              }),
            ),
            Effect.scoped,
          ),
        )
        const last = script.ending === "hang" ? Math.min(taken, script.parts) : taken
        // It has ended, or whatever waits now waits for ever.
        yield* eventually(
          Effect.sync(
            () => reading.pollUnsafe() !== undefined || (provider.isOpen && seen >= last),
          ),
        )
        yield* Fiber.interrupt(reading)
        assert.isFalse(provider.isOpen)
        const { reserved, rows } = yield* ledgerOf(caller.id)
        assert.strictEqual(reserved, 0)
        assert.deepStrictEqual(rows, expected(script, taken))
      }),
    { arbitrary: { runs: 150 } },
  )
})

const expected = (script: Script, taken: number) => {
  const { ending, parts, tokens } = script
  if (parts === 0 && ending === "cut") return []
  const isWhole = ending === "stop" && taken > parts
  if (!isWhole) return written(1 + provider.given, true)
  const prompt = tokens.prompt ?? 1
  const completion = tokens.completion ?? parts
  return written(prompt + completion, tokens.prompt === null || tokens.completion === null)
}

layer(appWithProviders([provider], { PLAN_LIMITS: '{"free":{"ai_tokens":500}}' }), {
  excludeTestServices: true,
})("A call", (it) => {
  it.effect("is reserved for: 20 at once go over the limit by one reservation at most", () =>
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

  it.effect("that nobody settled is taken for spent when its time is over, once", () =>
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

  it.effect("whose client goes away before there is an answer costs nothing", () =>
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

  it.effect("answers with what was metered", () =>
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
