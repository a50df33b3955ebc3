import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { boolean, id, integer, timestamp } = yield* columnTypes

  yield* sql`
    CREATE TABLE usage_events (
      id ${id} PRIMARY KEY,
      source TEXT NOT NULL UNIQUE,
      user_id ${id} NOT NULL REFERENCES users (id),
      metric TEXT NOT NULL,
      quantity ${integer} NOT NULL,
      dimension TEXT NOT NULL,
      estimated ${boolean} NOT NULL,
      occurred_at ${timestamp} NOT NULL
    )
  `
  yield* sql`CREATE INDEX usage_events_user ON usage_events (user_id, metric, occurred_at)`
  yield* sql`
    CREATE TABLE usage_daily (
      user_id ${id} NOT NULL REFERENCES users (id),
      metric TEXT NOT NULL,
      day ${id} NOT NULL,
      dimension TEXT NOT NULL,
      quantity ${integer} NOT NULL,
      PRIMARY KEY (user_id, metric, day, dimension)
    )
  `
  yield* sql`CREATE INDEX usage_daily_top ON usage_daily (metric, day)`
  yield* sql`
    CREATE TABLE usage_reservations (
      id ${id} PRIMARY KEY,
      user_id ${id} NOT NULL REFERENCES users (id),
      metric TEXT NOT NULL,
      quantity ${integer} NOT NULL,
      dimension TEXT NOT NULL,
      created_at ${timestamp} NOT NULL,
      expires_at ${timestamp} NOT NULL
    )
  `
  yield* sql`CREATE INDEX usage_reservations_user ON usage_reservations (user_id, metric)`
  yield* sql`CREATE INDEX usage_reservations_expiry ON usage_reservations (expires_at)`
})

export const down = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE usage_reservations`
  yield* sql`DROP TABLE usage_daily`
  yield* sql`DROP TABLE usage_events`
})
