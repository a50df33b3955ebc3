import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "../../../migrations/Dialect.ts"
import { Database } from "./Database.ts"
import { MigrationError } from "./MigrationError.ts"
import type { Recorded } from "./MigrationPlan.ts"
import { Unbounded } from "./postgres/Client.ts"
import * as SqlFailure from "../SqlFailure.ts"

/**
 * Runs an effect in a transaction under a lock: a second process waits, then finds nothing to do. Migrations have no
 * time limit, but wait for table locks no longer than any statement, because later statements queue behind a waiting
 * one. After such a timeout, everything is rolled back and retried, for up to a minute.
 */
export const withLock = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Database
    const sql = yield* SqlClient.SqlClient
    // On SQLite, the transaction itself is the lock.
    const lock = sql.onDialectOrElse({
      pg: () =>
        Effect.all([
          sql`SET LOCAL statement_timeout = 0`,
          sql`SET LOCAL idle_in_transaction_session_timeout = 0`,
          sql`SET LOCAL lock_timeout = 0`,
          sql`SELECT pg_advisory_xact_lock(${lockKey})`,
          sql`SET LOCAL lock_timeout TO DEFAULT`,
        ]),
      orElse: () => Effect.void,
    })
    return yield* lock.pipe(
      Effect.andThen(createTable),
      Effect.andThen(self),
      database.transaction,
      Effect.provideService(Unbounded, true),
      Effect.retry({
        schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "1 minute" })),
        while: (error) => SqlFailure.isBusy(error instanceof MigrationError ? error.cause : error),
      }),
    )
  })

/** An arbitrary number. No other advisory lock may use it. */
const lockKey = 7_546_846

/** Keep the columns: older releases, which identify migrations by number, use the same table. */
const createTable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { timestamp } = yield* columnTypes
  yield* sql`
    CREATE TABLE IF NOT EXISTS migrations (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      applied_at ${timestamp} NOT NULL
    )
  `
})

/** Returns the migrations that ran, ordered by number. */
export const recorded = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  if (!(yield* tableExists)) return []
  return yield* sql<Recorded>`SELECT id, name, applied_at FROM migrations ORDER BY id`
})

const tableExists = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql.onDialectOrElse({
      pg: () => sql`SELECT 1 WHERE to_regclass('migrations') IS NOT NULL`,
      orElse: () => sql`SELECT 1 FROM sqlite_schema WHERE name = 'migrations'`,
    }),
    (rows) => rows.length > 0,
  ),
)
