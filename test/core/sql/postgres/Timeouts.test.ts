import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { migrations } from "../../../../migrations/index.ts"
import { Database } from "../../../../src/core/sql/Database.ts"
import * as Migrations from "../../../../src/core/sql/Migrations.ts"
import { ServiceUnavailableError } from "../../../../src/domain/Errors.ts"
import * as TestDatabase from "../../../TestDatabase.ts"

const reasonOf = (error: unknown) => {
  assert.instanceOf(error, ServiceUnavailableError)
  assert.instanceOf(error.cause, SqlError.SqlError)
  return error.cause.reason._tag
}

const migration = (up: string) => ({
  up: Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(up)),
  down: Effect.void,
})

layer(TestDatabase.layer, { excludeTestServices: true })("PostgreSQL time limits", (it) => {
  it.effect(
    "end a statement by the server's clock and keep its connection; migrations are exempt",
    () =>
      Effect.gen(function* () {
        const { query, transaction } = yield* Database
        const sql = yield* SqlClient.SqlClient
        const slow = sql`SELECT pg_sleep(60)`
        const pid = Effect.map(
          sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`,
          ([row]) => row?.pid,
        )
        const before = yield* pid

        const migrating = yield* Effect.forkChild(
          Migrations.run({ ...migrations, "9001_slow": migration("SELECT pg_sleep(6)") }),
        )
        const ended = yield* Effect.all(
          [Effect.flip(query(slow)), Effect.flip(transaction(slow))],
          {
            concurrency: "unbounded",
          },
        )

        assert.deepStrictEqual(ended.map(reasonOf), [
          "StatementTimeoutError",
          "StatementTimeoutError",
        ])
        assert.deepStrictEqual(yield* sql`SELECT pid FROM pg_stat_activity WHERE pid = ${before}`, [
          { pid: before },
        ])
        assert.deepStrictEqual(yield* Fiber.join(migrating), ["9001_slow"])
      }),
  )

  it.effect("end a stream without rows by our own clock when the server has no limit", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { transaction } = yield* Database
      const silent = Stream.runDrain(sql`SELECT pg_sleep(60)`.stream)

      const error = yield* Effect.flip(
        transaction(Effect.andThen(sql`SET LOCAL statement_timeout = 0`, silent)),
      )

      assert.strictEqual(reasonOf(error), "StatementTimeoutError")
      assert.deepStrictEqual(yield* transaction(sql`SELECT 1 AS one`), [{ one: 1 }])
    }),
  )

  it.effect("end an idle transaction with a typed error", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const idle = sql`SET LOCAL idle_in_transaction_session_timeout = 50`.pipe(
        Effect.andThen(Effect.sleep(300)),
        Effect.andThen(sql`SELECT 1`),
      )

      const error = yield* Effect.flip(transaction(idle))

      assert.strictEqual(reasonOf(error), "UnknownError")
      assert.deepStrictEqual(yield* transaction(sql`SELECT 1 AS one`), [{ one: 1 }])
    }),
  )

  it.effect("make a migration that waits for a lock let others pass, and retry", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE busy (n INTEGER)`
      const release = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        transaction(Effect.andThen(sql`LOCK TABLE busy`, Deferred.await(release))),
      )
      const migrating = yield* Effect.forkChild(
        Migrations.run({ ...migrations, "8001_wide": migration("ALTER TABLE busy ADD m INTEGER") }),
      )
      const waiting = sql`
        SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'busy'::regclass
      `
      const during = (n: number) => Effect.repeat(waiting, { until: ({ length }) => length === n })
      yield* during(1)
      yield* during(0)
      yield* during(1)
      yield* Deferred.succeed(release, undefined)

      assert.deepStrictEqual(yield* Fiber.join(migrating), ["8001_wide"])
      yield* Fiber.join(holder)
      yield* sql`SELECT m FROM busy`
    }),
  )

  it.effect("let two deadlocked transactions both finish, each with one effect", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE pair (id INTEGER PRIMARY KEY, n INTEGER)`
      yield* sql`INSERT INTO pair VALUES (1, 0), (2, 0)`
      let runs = 0
      const add = (id: number) => sql`UPDATE pair SET n = n + 1 WHERE id = ${id}`
      const both = (first: number, second: number) =>
        transaction(
          Effect.sync(() => (runs += 1)).pipe(
            Effect.andThen(add(first)),
            Effect.andThen(Effect.sleep(100)),
            Effect.andThen(add(second)),
          ),
        )

      yield* Effect.all([both(1, 2), both(2, 1)], { concurrency: "unbounded" })

      assert.deepStrictEqual(yield* sql`SELECT n FROM pair ORDER BY id`, [{ n: 2 }, { n: 2 }])
      assert.strictEqual(runs, 3)
    }),
  )

  it.effect(
    "let an insert that waits for a lock delay others briefly, and fail without effect",
    () =>
      Effect.gen(function* () {
        const { query, transaction } = yield* Database
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE parents (id INTEGER PRIMARY KEY)`
        yield* sql`CREATE TABLE children (parent INTEGER REFERENCES parents)`
        yield* sql`INSERT INTO parents VALUES (1), (2)`
        const insert = (parent: number) => query(sql`INSERT INTO children VALUES (${parent})`)
        const insertAll = (parent: number) =>
          Effect.all(Array.from({ length: 4 }, () => insert(parent)).map(Effect.flip), {
            concurrency: "unbounded",
          })
        const isLocked = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const holder = yield* Effect.forkChild(
          transaction(
            sql`SELECT id FROM parents WHERE id = 1 FOR UPDATE`.pipe(
              Effect.andThen(Deferred.succeed(isLocked, undefined)),
              Effect.andThen(Deferred.await(release)),
            ),
          ),
        )
        yield* Deferred.await(isLocked)

        const waiting = yield* Effect.forkChild(insertAll(1), { startImmediately: true })
        yield* Effect.timeout(
          Effect.all(
            Array.from({ length: 12 }, () => insert(2)),
            { concurrency: "unbounded" },
          ),
          "1500 millis",
        )
        const errors = yield* Fiber.join(waiting)
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(holder)

        assert.deepStrictEqual([...new Set(errors.map(reasonOf))], ["LockTimeoutError"])
        yield* Effect.sleep("500 millis")
        assert.deepStrictEqual(
          yield* sql`SELECT parent, count(*)::int AS n FROM children GROUP BY 1`,
          [{ parent: 2, n: 12 }],
        )
      }),
  )
})
