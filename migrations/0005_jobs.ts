import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

/** On PostgreSQL, jobs are stored in the schema of pg-boss, which creates it itself. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { timestamp } = yield* columnTypes

  yield* sql`
    CREATE TABLE job_schedules (
      name TEXT PRIMARY KEY,
      cron TEXT NOT NULL,
      next_run_at ${timestamp} NOT NULL
    )
  `
  yield* sql`
    CREATE TABLE leases (
      name TEXT PRIMARY KEY,
      holder TEXT NOT NULL,
      expires_at ${timestamp} NOT NULL
    )
  `
  yield* sql.onDialectOrElse({ pg: () => Effect.void, orElse: () => jobs(sql) })
})

/** `message` is a `JobMessage`. Only waiting and active jobs occupy their unique key. */
const jobs = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* sql`
    CREATE TABLE jobs (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      state TEXT NOT NULL,
      message JSON_TEXT NOT NULL,
      priority INTEGER NOT NULL,
      unique_key TEXT,
      attempts INTEGER NOT NULL,
      max_attempts INTEGER NOT NULL,
      progress REAL,
      error TEXT,
      result JSON_TEXT,
      created_at TEXT NOT NULL,
      run_at TEXT NOT NULL,
      started_at TEXT,
      finished_at TEXT,
      leased_until TEXT
    )
  `
  yield* sql`CREATE INDEX jobs_next ON jobs (name, priority DESC, run_at, id) WHERE state = 'waiting'`
  yield* sql`CREATE INDEX jobs_due ON jobs (name, run_at) WHERE state = 'waiting'`
  yield* sql`CREATE INDEX jobs_leased ON jobs (leased_until) WHERE state = 'active'`
  yield* sql`CREATE INDEX jobs_state ON jobs (state, id)`
  yield* sql`CREATE INDEX jobs_finished ON jobs (name, finished_at) WHERE finished_at IS NOT NULL`
  yield* sql`
    CREATE UNIQUE INDEX jobs_unique_key ON jobs (name, unique_key)
    WHERE state IN ('waiting', 'active') AND unique_key IS NOT NULL
  `
})

export const down = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE job_schedules`
  yield* sql`DROP TABLE leases`
  yield* sql`DROP TABLE IF EXISTS jobs`
  yield* sql.onDialectOrElse({
    pg: () => sql`DROP SCHEMA IF EXISTS pgboss CASCADE`,
    orElse: () => Effect.void,
  })
})
