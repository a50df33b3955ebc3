import { Data, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "../../migrations/Dialect.ts"
import { type Migration, migrations as shipped } from "../../migrations/index.ts"
import { now, type Timestamp } from "../domain/Fields.ts"
import { Database } from "./Database.ts"
import { Unbounded } from "./Postgres.ts"
import * as SqlFailure from "./SqlFailure.ts"

/** A migration did not run to its end; nothing of it, nor of those before it in the same run, is kept. */
export class MigrationError extends Data.TaggedError("MigrationError")<{
  readonly migration: string
  readonly cause: unknown
}> {
  override get message() {
    return `Migration ${this.migration} failed`
  }
}

export interface Status {
  readonly id: number
  readonly name: string
  /** `null` when it has not run. */
  readonly applied_at: Timestamp | null
}

type Migrations = Readonly<Record<string, Migration>>

/** Runs what has not run, in one transaction, under a lock that makes a second process wait. Returns what it ran. */
export const run = (migrations: Migrations = shipped) =>
  locked(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const applied_at = yield* now
      const pending = (yield* list(migrations)).filter(({ status }) => status.applied_at === null)
      for (const { status, migration } of pending) {
        yield* step(status.name, migration.up)
        yield* sql`INSERT INTO migrations ${sql.insert({ id: status.id, name: status.name, applied_at })}`
      }
      return pending.map(({ status }) => status.name)
    }),
  )

/** Runs what has not run, while the application starts. */
export const layer = Layer.effectDiscard(Effect.suspend(() => run()))

/** Takes the newest one back. Returns its name, or `null` when none has run. */
export const rollback = (migrations: Migrations = shipped) =>
  locked(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const newest = (yield* list(migrations)).findLast(({ status }) => status.applied_at !== null)
      if (newest === undefined) return null
      yield* step(newest.status.name, newest.migration.down)
      yield* sql`DELETE FROM migrations WHERE id = ${newest.status.id}`
      return newest.status.name
    }),
  )

/** Every migration, with when it ran. Changes nothing. */
export const status = (migrations: Migrations = shipped) =>
  Effect.gen(function* () {
    const database = yield* Database
    return yield* database.query(
      Effect.map(list(migrations), (found) => found.map(({ status }) => status)),
    )
  })

/**
 * Two processes at once: one works, the other waits and then finds nothing to do. A migration takes as long as it
 * takes, but waits for a lock no longer than any statement, because whoever comes after it waits behind it: then all
 * is tried again.
 */
const locked = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Database
    const sql = yield* SqlClient.SqlClient
    // On SQLite the transaction itself is the lock.
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

/** Any number that no other use of advisory locks has. */
const lockKey = 7_546_846

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

const tableExists = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql.onDialectOrElse({
      pg: () => sql`SELECT 1 WHERE to_regclass('migrations') IS NOT NULL`,
      orElse: () => sql`SELECT 1 FROM sqlite_schema WHERE name = 'migrations'`,
    }),
    (rows) => rows.length > 0,
  ),
)

const list = Effect.fnUntraced(function* (migrations: Migrations) {
  const sql = yield* SqlClient.SqlClient
  const applied = (yield* tableExists)
    ? yield* sql<{ id: number; applied_at: Timestamp }>`SELECT id, applied_at FROM migrations`
    : []
  const times = new Map(applied.map(({ id, applied_at }) => [id, applied_at]))
  return Object.entries(migrations).map(([name, migration]) => {
    const id = Number.parseInt(name, 10)
    const status: Status = { id, name, applied_at: times.get(id) ?? null }
    return { status, migration }
  })
})

const step = (name: string, effect: Migration["up"]) =>
  Effect.mapError(effect, (cause) => new MigrationError({ migration: name, cause }))
