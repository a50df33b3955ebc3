import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { AiGateway } from "../../../src/business/ai/AiGateway.ts"
import { AiReservations } from "../../../src/business/ai/AiReservations.ts"
import { AiReservationsRepo } from "../../../src/business/ai/AiReservationsRepo.ts"
import { Usage } from "../../../src/business/usage/Usage.ts"
import { UsageRepo } from "../../../src/business/usage/UsageRepo.ts"
import { Database } from "../../../src/core/sql/Database.ts"
import { uuidV7 } from "../../../src/core/Uuid.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"
import { Ai } from "../../../src/services/ai/Ai.ts"
import { asCaller, ledgerOf, request, written } from "../../fixtures/data/AiLedger.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { refuseDimension } from "../../fixtures/data/Refusal.ts"
import { appWithProviders, FakeProvider } from "../../fixtures/vendors/FakeAi.ts"
import { testAppWith } from "../../TestApp.ts"

const provider = new FakeProvider("openai")
provider.script = { parts: 2, ending: "stop", tokens: { prompt: 20, completion: 80 } }

/** Makes the next `failures` settlements fail; all settlements wait for `until`. */
const settleFaults = { failures: 0, begun: 0, until: Effect.void }

const faultyRepo = Layer.effect(
  UsageRepo,
  Effect.map(UsageRepo, (repo) => ({
    ...repo,
    settle: (id, entries) =>
      Effect.suspend(() => {
        settleFaults.begun += 1
        settleFaults.failures -= 1
        return settleFaults.failures >= 0
          ? Effect.fail(new ServiceUnavailableError({ service: "database" }))
          : Effect.andThen(settleFaults.until, repo.settle(id, entries))
      }),
  })),
).pipe(Layer.provide(UsageRepo.layer))

const app = Layer.fresh(AiGateway.layer).pipe(
  Layer.provide(Layer.succeed(Ai, { providers: new Map([["openai" as const, provider]]) })),
  Layer.provideMerge(Layer.fresh(AiReservations.layer)),
  Layer.provide(Layer.fresh(Usage.layer)),
  Layer.provide(faultyRepo),
  Layer.provideMerge(
    testAppWith({ OPENAI_API_KEY: "key", PLAN_LIMITS: '{"free":{"ai_tokens":500}}' }),
  ),
)

layer(app, { excludeTestServices: true, timeout: "30 seconds" })("AI usage", (it) => {
  it.effect("is written despite a short database outage", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      Object.assign(settleFaults, { failures: 3 })
      yield* gateway.complete(caller, request)
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: written(100, false), reserved: 0 })
    }),
  )

  it.effect("is left to the sweep when it cannot be written, and the caller gets the answer", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      Object.assign(settleFaults, { failures: 7 })
      const { usage } = yield* gateway.complete(caller, request)
      assert.strictEqual(usage.total_tokens, 100)
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: [], reserved: 1 })
    }),
  )

  it.effect.each(["complete", "stream"] as const)(
    "is written when the client disconnects during the settlement: %s",
    (mode) =>
      Effect.gen(function* () {
        const gateway = yield* AiGateway
        const caller = yield* asCaller
        const mayEnd = yield* Latch.make()
        Object.assign(settleFaults, { begun: 0, until: mayEnd.await })
        const calling = yield* Effect.forkChild(
          mode === "complete"
            ? gateway.complete(caller, request)
            : Effect.scoped(Effect.flatMap(gateway.stream(caller, request), Stream.runDrain)),
        )
        yield* eventually(Effect.sync(() => settleFaults.begun > 0))
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(calling), {
          startImmediately: true,
        })
        yield* mayEnd.open
        yield* Fiber.join(interrupting)
        Object.assign(settleFaults, { until: Effect.void })
        assert.strictEqual(settleFaults.begun, 1)
        assert.deepStrictEqual(yield* ledgerOf(caller.id), {
          rows: written(100, false),
          reserved: 0,
        })
      }),
  )

  it.effect("is reserved up to the limit plus one call, with 20 concurrent calls", () =>
    Effect.gen(function* () {
      const { reserve } = yield* AiReservations
      for (let round = 0; round < 10; round += 1) {
        const caller = yield* asCaller
        const call = Effect.result(reserve(caller, { model: "gpt-4o", tokens: 102 }))
        const all = yield* Effect.all(
          Array.from({ length: 20 }, () => call),
          { concurrency: "unbounded" },
        )
        // The fifth begins at 408.
        assert.lengthOf(
          all.filter(({ _tag }) => _tag === "Success"),
          5,
        )
      }
    }),
  )

  it.effect(
    "is reserved up to the limit plus one call, with concurrent calls of different sizes",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { transaction } = yield* Database
        const { reserve } = yield* AiReservations
        const caller = yield* asCaller
        const times = (count: number, tokens: number) =>
          Effect.forEach(Array.from({ length: count }), () =>
            Effect.result(reserve(caller, { model: "gpt-4o", tokens })),
          )
        const [areReserved, mayEnd] = [yield* Latch.make(), yield* Latch.make()]
        const small = yield* times(50, 1).pipe(
          Effect.andThen(areReserved.open),
          Effect.andThen(mayEnd.await),
          transaction,
          Effect.forkChild,
        )
        yield* areReserved.await
        const large = yield* Effect.forkChild(times(5, 240))
        // On PostgreSQL the large ones now wait for the lock of the small ones.
        yield* Effect.sleep(200)
        yield* mayEnd.open
        yield* Fiber.join(small)
        yield* Fiber.join(large)
        const [sum] = yield* sql<{ readonly tokens: number }>`
        SELECT sum(quantity) AS tokens FROM usage_reservations WHERE user_id = ${caller.id}`
        assert.strictEqual(Number(sum?.tokens), 50 + 240 + 240)
      }),
  )

  it.effect("is settled together with the caller's effect, or not at all", () =>
    Effect.gen(function* () {
      const { reserve, settle } = yield* AiReservations
      const caller = yield* asCaller
      const id = yield* reserve(caller, { model: "gpt-4o", tokens: 10 })
      const spent = { model: "gpt-4o", tokens: 7, estimated: false }
      yield* Effect.exit(settle(id, spent, Effect.die("no")))
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: [], reserved: 1 })
      yield* settle(id, spent, Effect.void)
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: written(7, false), reserved: 0 })
    }),
  )

  it.effect("is reserved as long as any of the limit is left", () =>
    Effect.gen(function* () {
      const { reserve } = yield* AiReservations
      const caller = yield* asCaller
      yield* reserve(caller, { model: "gpt-4o", tokens: 499 })
      yield* reserve(caller, { model: "gpt-4o", tokens: 1 })
      const failure = yield* Effect.flip(reserve(caller, { model: "gpt-4o", tokens: 1 }))
      assert.include(failure, { metric: "ai_tokens", limit: 500, used: 500 })
    }),
  )

  it.effect("is reserved for the prompt and the longest possible answer", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      const { script } = provider
      provider.script = { ...script, ending: "hang" }
      const calling = yield* Effect.forkChild(gateway.complete(caller, request))
      const reserved = sql`
        SELECT quantity, dimension FROM usage_reservations WHERE user_id = ${caller.id}`
      yield* eventually(Effect.map(reserved, ({ length }) => length === 1))
      assert.deepStrictEqual(yield* reserved, [{ quantity: 100 + 2, dimension: "gpt-4o" }])
      yield* Fiber.interrupt(calling)
      provider.script = script
    }),
  )

  it.effect("is reserved for longer than a stream may last", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { reserve } = yield* AiReservations
      const id = yield* reserve(yield* asCaller, { model: "gpt-4o", tokens: 1 })
      const [row] = yield* sql<{ readonly created_at: string; readonly expires_at: string }>`
        SELECT created_at, expires_at FROM usage_reservations WHERE id = ${id}`
      const minutes =
        (Date.parse(row?.expires_at ?? "") - Date.parse(row?.created_at ?? "")) / 60_000
      assert.approximately(minutes, 15, 0.1)
    }),
  )

  it.effect("is swept completely, however many reservations have expired", () =>
    Effect.gen(function* () {
      const { insert } = yield* AiReservationsRepo
      const { sweep } = yield* AiReservations
      const { id: user_id } = yield* asCaller
      yield* Effect.forEach(Array.from({ length: 250 }), () =>
        insert({
          id: uuidV7(),
          user_id,
          quantity: 2,
          dimension: "gpt-4o",
          created_at: Timestamp.make("2024-01-01T00:00:00.000Z"),
          expires_at: Timestamp.make("2024-01-01T00:15:00.000Z"),
        }),
      )
      assert.strictEqual(yield* sweep, 250)
      const { reserved, rows } = yield* ledgerOf(user_id)
      assert.deepStrictEqual([reserved, rows.length], [0, 500])
    }),
  )

  it.effect("is swept even if an earlier reservation cannot be written", () =>
    Effect.gen(function* () {
      const { insert } = yield* AiReservationsRepo
      const { sweep } = yield* AiReservations
      const { id: user_id } = yield* asCaller
      yield* refuseDimension("refused")
      for (const [minute, dimension] of ["refused", "gpt-4o", "gpt-4o", "gpt-4o"].entries()) {
        yield* insert({
          id: uuidV7(),
          user_id,
          quantity: 2,
          dimension,
          created_at: Timestamp.make("2024-01-01T00:00:00.000Z"),
          expires_at: Timestamp.make(`2024-01-01T00:1${minute}:00.000Z`),
        })
      }
      const error = yield* Effect.flip(sweep)
      assert.strictEqual(error.message, "1 row failed, 3 done")
      const { reserved, rows } = yield* ledgerOf(user_id)
      assert.deepStrictEqual([reserved, rows.length], [1, 6])
    }),
  )
})

layer(
  appWithProviders([provider], {
    USAGE_TRACKING_ENABLED: "false",
    PLAN_LIMITS: '{"free":{"ai_tokens":0}}',
  }),
  { excludeTestServices: true },
)("AI usage without tracking", (it) => {
  it.effect("has no limit and writes no rows", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const caller = yield* asCaller
      yield* gateway.complete(caller, request)
      yield* gateway.complete(caller, request)
      assert.deepStrictEqual(yield* ledgerOf(caller.id), { rows: [], reserved: 0 })
    }),
  )
})
