import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

/** A claim is a key without a response yet; its status is 0. Both columns are null in rows that were never claims. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { timestamp } = yield* columnTypes

  yield* sql`ALTER TABLE idempotency_keys ADD COLUMN claim_id TEXT`
  yield* sql`ALTER TABLE idempotency_keys ADD COLUMN leased_until ${timestamp}`
})

export const down = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DELETE FROM idempotency_keys WHERE status = 0`
  yield* sql`ALTER TABLE idempotency_keys DROP COLUMN leased_until`
  yield* sql`ALTER TABLE idempotency_keys DROP COLUMN claim_id`
})
