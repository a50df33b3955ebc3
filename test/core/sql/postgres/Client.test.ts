import { createServer } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Database, DatabaseUnavailable } from "../../../../src/core/sql/Database.ts"
import { Metrics } from "../../../../src/core/telemetry/Metrics.ts"
import * as Postgres from "../../../../src/core/sql/postgres/Client.ts"
import { Settings } from "../../../../src/core/settings/Settings.ts"
import { type ConflictError, ServiceUnavailableError } from "../../../../src/domain/Errors.ts"
import { layerFor } from "../../../LayerFor.ts"
import { type PostgresServer, startPostgres } from "../../../fixtures/servers/PostgresServer.ts"

/** A PostgreSQL server that these tests may kill. */
class Victim extends Context.Service<Victim, PostgresServer>()(
  "plinth/test/core/sql/postgres/Client.test/Victim",
) {
  static readonly layer = Layer.effect(
    this,
    Effect.acquireRelease(startPostgres, (server) => server.remove),
  )
}

/** The pool reserves two of these for transactions. */
const pool = 3

const database = Layer.unwrap(
  Effect.map(Victim, (server) =>
    Database.layer.pipe(
      Layer.provideMerge(Metrics.layer),
      Layer.provide(
        Settings.layerFrom({
          DATABASE_URL: server.url("postgres"),
          DB_POOL_SIZE: String(pool),
          SECRET_KEY: "0123456789abcdef-only-for-these-tests",
        }),
      ),
    ),
  ),
).pipe(Layer.provideMerge(Victim.layer))

const assertUnavailable = (error: unknown) => {
  assert.instanceOf(error, ServiceUnavailableError)
  assert.strictEqual(error.service, "database")
}

/** Returns the result of the effect and its duration in ms. */
const timed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const value = yield* self
    return [value, (yield* Clock.currentTimeMillis) - started] as const
  })

layer(database, { excludeTestServices: true, timeout: "30 seconds" })("Postgres", (it) => {
  it.effect(
    "fails immediately with a typed error when the server is killed, and recovers when it is back",
    () =>
      Effect.gen(function* () {
        const { query, write, transaction, ping } = yield* Database
        const sql = yield* SqlClient.SqlClient
        const server = yield* Victim
        yield* sql`CREATE TABLE kept (n INTEGER PRIMARY KEY)`
        yield* transaction(sql`INSERT INTO kept VALUES (1)`)
        const opened = yield* Deferred.make<void>()

        const running = yield* Effect.forkChild(Effect.flip(query(sql`SELECT pg_sleep(60)`)))
        const idleInTransaction = yield* Effect.forkChild(
          Effect.exit(
            transaction(
              sql`INSERT INTO kept VALUES (2)`.pipe(
                Effect.andThen(Deferred.succeed(opened, undefined)),
                Effect.andThen(Effect.sleep(300)),
                Effect.andThen(sql`INSERT INTO kept VALUES (3)`),
              ),
            ),
          ),
        )
        const committing = yield* Effect.forkChild(
          Effect.exit(
            transaction(Effect.andThen(sql`INSERT INTO kept VALUES (4)`, Effect.sleep(300))),
          ),
        )
        yield* Deferred.await(opened)
        yield* Effect.sleep(100)
        yield* server.kill

        assertUnavailable(yield* Fiber.join(running))
        const exits: ReadonlyArray<Exit.Exit<void, ServiceUnavailableError>> = [
          Exit.asVoid(yield* Fiber.join(idleInTransaction)),
          yield* Fiber.join(committing),
        ]
        for (const exit of exits) {
          assert.isFalse(Exit.hasDies(exit))
          assertUnavailable(yield* Effect.flip(exit))
        }
        const attempts: ReadonlyArray<
          Effect.Effect<void, ConflictError | ServiceUnavailableError>
        > = [
          Effect.asVoid(query(sql`SELECT 1`)),
          Effect.asVoid(write("Kept")(sql`INSERT INTO kept VALUES (5)`)),
          Effect.asVoid(transaction(sql`SELECT 1`)),
          ping,
        ]
        for (const attempt of attempts) {
          const [error, millis] = yield* timed(Effect.flip(attempt))
          assertUnavailable(error)
          assert.isBelow(millis, 2000)
        }
        const many = Effect.forEach(
          Array.from({ length: 50 }),
          () => Effect.flip(query(sql`SELECT 1`)),
          {
            concurrency: "unbounded",
          },
        )
        const [errors, millis] = yield* timed(many)
        errors.forEach(assertUnavailable)
        assert.isBelow(millis, 2000)

        yield* server.start

        yield* ping
        yield* Effect.forEach(Array.from({ length: 50 }), () => query(sql`SELECT 1`), {
          concurrency: "unbounded",
        })
        assert.deepStrictEqual(yield* sql`SELECT n FROM kept ORDER BY n`, [{ n: 1 }])
        yield* transaction(sql`INSERT INTO kept VALUES (6)`)
      }),
  )

  it.effect("survives connections that the server closes", () =>
    Effect.gen(function* () {
      const { query, transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const others = sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
      `
      const inside = yield* Effect.forkChild(
        Effect.exit(transaction(Effect.andThen(sql`SELECT 1`, Effect.sleep(200)))),
      )
      yield* Effect.sleep(100)
      yield* query(others)

      const exit = yield* Fiber.join(inside)
      assert.isFalse(Exit.hasDies(exit))
      assertUnavailable(yield* Effect.flip(exit))
      yield* Effect.forEach(Array.from({ length: 20 }), () => query(sql`SELECT 1`), {
        concurrency: "unbounded",
      })
    }),
  )

  it.effect(
    "refuses a transaction that waits too long for a connection, and still serves single statements",
    () =>
      Effect.gen(function* () {
        const { query, transaction } = yield* Database
        const sql = yield* SqlClient.SqlClient
        const release = yield* Deferred.make<void>()
        const hold = transaction(Effect.andThen(sql`SELECT 1`, Deferred.await(release)))
        const holders = yield* Effect.forEach(Array.from({ length: pool - 1 }), () =>
          Effect.forkChild(hold),
        )
        yield* Effect.sleep(200)

        const [error, millis] = yield* timed(Effect.flip(transaction(sql`SELECT 1`)))
        assertUnavailable(error)
        assert.strictEqual(error.retry_after, 1)
        assert.isBelow(millis, 2000)
        assert.deepStrictEqual(yield* query(sql`SELECT 2 AS two`), [{ two: 2 }])
        const patient = yield* Effect.forkChild(transaction(sql`SELECT 3 AS three`))
        yield* Effect.sleep(50)
        yield* Deferred.succeed(release, undefined)

        assert.deepStrictEqual(yield* Fiber.join(patient), [{ three: 3 }])
        yield* Effect.forEach(holders, (holder) => Fiber.join(holder))
        yield* Effect.all(
          Array.from({ length: 30 }, () => transaction(sql`SELECT 1`)),
          {
            concurrency: "unbounded",
          },
        )
      }),
  )

  it.effect("retries a transaction after a serialization failure", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE counters (n INTEGER)`
      yield* sql`INSERT INTO counters VALUES (0)`
      const bothHaveRead = yield* Deferred.make<void>()
      let [runs, reads] = [0, 0]

      const increment = Effect.gen(function* () {
        runs += 1
        const [row] = yield* sql<{ n: number }>`SELECT n FROM counters`
        reads += 1
        if (reads === 2) yield* Deferred.succeed(bothHaveRead, undefined)
        yield* Deferred.await(bothHaveRead)
        yield* sql`UPDATE counters SET n = ${(row?.n ?? 0) + 1}`
      })
      yield* Effect.all([transaction(increment), transaction(increment)], {
        concurrency: "unbounded",
      }).pipe(
        Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE"),
      )

      assert.deepStrictEqual(yield* sql`SELECT n FROM counters`, [{ n: 2 }])
      assert.strictEqual(runs, 3)
    }),
  )

  it.effect("gives up on a transaction that loses every time", () =>
    Effect.gen(function* () {
      const { transaction, query } = yield* Database
      const sql = yield* SqlClient.SqlClient
      let runs = 0
      const lost = Effect.andThen(
        Effect.sync(() => (runs += 1)),
        sql`DO $$ BEGIN RAISE serialization_failure; END $$`,
      )

      const error = yield* Effect.flip(transaction(transaction(query(lost))))

      assertUnavailable(error)
      assert.strictEqual(runs, 4)
    }),
  )

  it.effect("limits the time to connect to a server that does not answer", () =>
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close()),
      )
      const address = silent.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const { sql } = yield* Postgres.make({
        url: Redacted.make(`postgres://ada@127.0.0.1:${port}/engine`),
        maxConnections: 1,
        observe: () => undefined,
      })

      const [error, millis] = yield* timed(Effect.flip(sql`SELECT 1`))

      assert.strictEqual(error.reason._tag, "ConnectionError")
      assert.isBelow(millis, 2000)
    }).pipe(Effect.scoped, Effect.provide(Reactivity.layer)),
  )

  it.effect("reports how many connections are open and in use", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const metrics = yield* Metrics
      const text = yield* transaction(Effect.andThen(sql`SELECT 1`, metrics.render))

      assert.match(text, /db_pool_connections\{.*state="active".*\} 1\n/)
      assert.match(text, /db_pool_connections\{.*state="overflow".*\} 0\n/)
    }),
  )
})

const start = (url: string) => Effect.scoped(Layer.build(layerFor(url)))

layer(Layer.empty)("Postgres at start", (it) => {
  it.effect("retries for 10 s, and then fails with the name of the variable", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.exit(start("postgres://ada:hidden@127.0.0.1:1/engine")),
      )
      // Refusals arrive in real time; only the waits between them are on the test clock.
      yield* Effect.repeat(
        Effect.andThen(TestClock.adjust("250 millis"), TestClock.withLive(Effect.sleep(5))),
        { until: () => fiber.pollUnsafe() !== undefined, times: 400 },
      )
      const error = yield* Effect.flip(yield* Fiber.join(fiber))

      assert.instanceOf(error, DatabaseUnavailable)
      assert.strictEqual(
        error.message,
        "DATABASE_URL: the database cannot be opened (ECONNREFUSED): connection refused. Is PostgreSQL running?",
      )
      assert.isAtLeast(yield* Clock.currentTimeMillis, 9_000)
      assert.isAtMost(yield* Clock.currentTimeMillis, 15_000)
    }),
  )
})
