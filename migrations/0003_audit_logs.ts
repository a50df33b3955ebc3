import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

/** Ids of users are not foreign keys: audit rows outlive the users they name. */
export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp, json } = yield* columnTypes

  yield* sql`
    CREATE TABLE audit_logs (
      id ${id} PRIMARY KEY,
      actor_id ${id},
      actor_email TEXT,
      actor_role TEXT,
      impersonator_id ${id},
      action TEXT NOT NULL,
      description TEXT NOT NULL,
      resource_type TEXT NOT NULL,
      resource_id ${id} NOT NULL,
      details ${json} NOT NULL,
      ip_address TEXT,
      request_id TEXT,
      created_at ${timestamp} NOT NULL
    )
  `
  yield* sql`CREATE INDEX audit_logs_newest ON audit_logs (created_at DESC, id DESC)`
  yield* sql`
    CREATE INDEX audit_logs_resource
    ON audit_logs (resource_type, resource_id, created_at DESC, id DESC)
  `
})

export const down = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP TABLE audit_logs`)
