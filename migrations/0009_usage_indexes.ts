import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Each call of a model writes these indexes twice, and only the ids of users are looked up by them. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // There are as many reservations as calls under way.
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
