import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp, boolean, integer } = yield* columnTypes

  yield* sql`
    CREATE TABLE users (
      id ${id} PRIMARY KEY,
      email TEXT,
      email_key TEXT UNIQUE,
      full_name TEXT,
      avatar_url TEXT,
      role TEXT NOT NULL,
      is_active ${boolean} NOT NULL,
      subscription_plan TEXT NOT NULL,
      subscription_status TEXT NOT NULL,
      stripe_customer_id TEXT,
      apple_original_transaction_id TEXT,
      google_purchase_token TEXT,
      last_login_at ${timestamp},
      login_count ${integer} NOT NULL,
      last_token_iat ${integer},
      created_at ${timestamp} NOT NULL,
      updated_at ${timestamp} NOT NULL
    )
  `
  yield* sql`CREATE INDEX users_newest ON users (created_at DESC, id DESC)`
})

export const down = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP TABLE users`)
