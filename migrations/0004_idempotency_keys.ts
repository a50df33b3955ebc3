import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

/** `body` is the response body as sent; null if there was none. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp, integer } = yield* columnTypes

  yield* sql`
    CREATE TABLE idempotency_keys (
      user_id ${id} NOT NULL,
      route TEXT NOT NULL,
      key TEXT NOT NULL,
      fingerprint TEXT NOT NULL,
      status ${integer} NOT NULL,
      body TEXT,
      created_at ${timestamp} NOT NULL,
      PRIMARY KEY (user_id, route, key)
    )
  `
  yield* sql`CREATE INDEX idempotency_keys_oldest ON idempotency_keys (created_at)`
})

export const down = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP TABLE idempotency_keys`)
