import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Each AI call writes these indexes twice, and queries use only the user id. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The table has only one row per running call, so it needs no index for expiry.
  yield* sql`DROP INDEX usage_reservations_expiry`
  yield* sql`DROP INDEX usage_events_user`
  yield* sql`CREATE INDEX usage_events_user ON usage_events (user_id)`
})

export const down = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP INDEX usage_events_user`
  yield* sql`CREATE INDEX usage_events_user ON usage_events (user_id, metric, occurred_at)`
  yield* sql`CREATE INDEX usage_reservations_expiry ON usage_reservations (expires_at)`
})
