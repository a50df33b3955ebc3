import type { TextResponse } from "@copilotkit/aimock"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { SweepAiReservations } from "../../src/domain/jobs/JobKinds.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { asking } from "../fixtures/vendors/AiSocket.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { keysOf, Providers, servingModels } from "../fixtures/servers/Gateway.ts"
import { canary, processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { testAppWith } from "../TestApp.ts"
import { dialect } from "../TestDatabase.ts"

/** A server that runs one job at a time. */
const serve = servingModels({
  RATE_LIMIT_AI: "1000000/second",
  JOBS_EMBEDDED: "true",
  JOBS_CONCURRENCY: "1",
})

/** The application of this process, which reads the database and enqueues jobs, but runs none. */
const app = Layer.merge(testAppWith({ SECRET_KEY: canary }), Providers.layer)

const past = "2020-01-01T00:00:00.000Z"

const reservedFor = (user: UserId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly quantity: number }>`
      SELECT quantity FROM usage_reservations WHERE user_id = ${user}`,
  )

interface Row {
  readonly metric: string
  readonly quantity: number
  readonly estimated: boolean | number
}

const ledgerOf = (user: UserId) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<Row>`
        SELECT metric, quantity, estimated FROM usage_events
        WHERE user_id = ${user} AND metric LIKE 'ai_%' ORDER BY metric, quantity`,
    ),
    (rows) => rows.map((row) => [row.metric, row.quantity, Boolean(row.estimated)] as const),
  )

/** Locks the reservations against deletes until the effect has ended. SQLite has no such lock. */
const whileLocked = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    if (dialect() === "sqlite") return yield* effect
    const sql = yield* SqlClient.SqlClient
    const [isLocked, isDone] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const holding = yield* Effect.forkChild(
      sql`LOCK TABLE usage_reservations IN SHARE MODE`.pipe(
        Effect.andThen(Deferred.succeed(isLocked, undefined)),
        Effect.andThen(Deferred.await(isDone)),
        sql.withTransaction,
      ),
    )
    yield* Deferred.await(isLocked)
    const result = yield* effect
    yield* eventually(
      Effect.map(
        sql`
          SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        (waiting) => waiting.length === 2,
      ),
    )
    yield* Deferred.succeed(isDone, undefined)
    yield* Fiber.join(holding)
    return result
  })

const enqueueSweep = Effect.flatMap(JobQueue, ({ enqueue }) => enqueue(SweepAiReservations, {}))

const untilDone = ({ id }: Effect.Success<typeof enqueueSweep>) =>
  Effect.flatMap(JobQueue, ({ get }) =>
    eventually(Effect.map(get(id), ({ state }) => state === "completed")),
  )

/** Returns the AI usage that this process reports for a user: of the month, and tokens of two days. */
const usageAt = Effect.fnUntraced(function* (port: number, token: string) {
  const path = "/api/v1/app/usage"
  const month = yield* sendTo(port, { path: `${path}/current-period`, token })
  const days = yield* sendTo(port, { path: `${path}/summary?days=2`, token })
  const { metrics } = yield* decodeSummary(days.json)
  return { ...(yield* decodeMonth(month.json)), tokens: metrics.ai_tokens.total }
})

const decodeMonth = Schema.decodeUnknownEffect(
  Schema.Struct({ ai_tokens: Schema.Int, ai_requests: Schema.Int }),
)
const decodeSummary = Schema.decodeUnknownEffect(
  Schema.Struct({
    metrics: Schema.Struct({ ai_tokens: Schema.Struct({ total: Schema.Int }) }),
  }),
)

layer(app, { excludeTestServices: true })("A process that is killed", (it) => {
  it.effect(
    "leaves its calls reserved, and they are charged exactly once after they expire",
    () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const sql = yield* SqlClient.SqlClient
        const asked: Array<string> = []
        mock.onMessage("never", () => {
          asked.push("never")
          return new Promise(() => undefined)
        })
        mock.onMessage("slow", { content: "word ".repeat(2000) }, { latency: 20 })
        const { id, token } = yield* newCaller()
        const first = yield* serve
        yield* asking(first.port, { token, prompt: "never", stream: false })
        const streamed = yield* asking(first.port, { token, prompt: "slow" })
        let received = ""
        streamed.on("data", (data) => (received += data.toString()))
        yield* eventually(
          Effect.sync(() => asked.length === 1 && received.split("data: ").length > 5),
        )
        yield* first.kill
        const reserved = (yield* reservedFor(id)).map(({ quantity }) => quantity)
        assert.lengthOf(reserved, 2)

        const [one, other] = [yield* serve, yield* serve]
        yield* untilDone(yield* enqueueSweep)
        assert.lengthOf(yield* reservedFor(id), 2)
        assert.deepStrictEqual(yield* ledgerOf(id), [])

        yield* sql`UPDATE usage_reservations SET expires_at = ${past} WHERE user_id = ${id}`
        const sweeps = yield* whileLocked(Effect.all([enqueueSweep, enqueueSweep]))
        yield* Effect.forEach(sweeps, untilDone)
        assert.lengthOf(yield* reservedFor(id), 0)
        const [less = 0, more = 0] = reserved.toSorted((a, b) => a - b)
        assert.isAbove(less, 0)
        assert.deepStrictEqual(yield* ledgerOf(id), [
          ["ai_requests", 1, false],
          ["ai_requests", 1, false],
          ["ai_tokens", less, true],
          ["ai_tokens", more, true],
        ])

        for (const { port } of [one, other]) {
          assert.deepStrictEqual(yield* usageAt(port, token), {
            ai_tokens: less + more,
            ai_requests: 2,
            tokens: less + more,
          })
        }
      }),
    processTimeoutMs,
  )

  it.effect(
    "frees its key to exactly one retry after the lease, with the same vendor key",
    () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        const sql = yield* SqlClient.SqlClient
        const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }
        const asked: Array<() => void> = []
        mock.onMessage("died", () => {
          const { promise, resolve } = Promise.withResolvers<TextResponse>()
          asked.push(() => resolve({ content: "Once.", usage }))
          return promise
        })
        const { id, token } = yield* newCaller()
        const ask = {
          path: "/api/v1/app/ai/chat",
          token,
          json: { prompt: "died", model: "gpt-4o" },
          headers: { "Idempotency-Key": "k" },
        }
        const first = yield* serve
        yield* Effect.forkChild(Effect.exit(sendTo(first.port, ask)))
        yield* eventually(Effect.sync(() => asked.length === 1))
        yield* first.kill
        asked[0]?.()

        const [one, other] = [yield* serve, yield* serve]
        const refused = yield* sendTo(one.port, ask)
        assert.strictEqual(refused.status, 409, refused.text)
        assert.lengthOf(asked, 1)

        yield* sql`UPDATE idempotency_keys SET leased_until = ${past} WHERE user_id = ${id}`
        const both = yield* Effect.forEach([one, other], ({ port }) =>
          Effect.forkChild(sendTo(port, ask)),
        )
        yield* eventually(
          Effect.sync(() => both.filter((fiber) => fiber.pollUnsafe() !== undefined).length === 1),
        )
        yield* eventually(Effect.sync(() => asked.length === 2))
        asked[1]?.()
        const answers = yield* Effect.forEach(both, Fiber.join)
        assert.deepStrictEqual(answers.map(({ status }) => status).toSorted(), [200, 409])
        const keys = yield* keysOf("died")
        assert.lengthOf(keys, 2)
        assert.isString(keys[0])
        assert.strictEqual(keys[1], keys[0])

        const answered = answers.find(({ status }) => status === 200)
        for (const { port } of [one, other]) {
          const again = yield* sendTo(port, ask)
          assert.deepStrictEqual([again.status, again.text], [200, answered?.text])
          assert.strictEqual(again.headers["idempotency-replayed"], "true")
        }
        assert.lengthOf(asked, 2)
      }),
    processTimeoutMs,
  )
})
