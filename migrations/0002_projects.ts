import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp } = yield* columnTypes

  yield* sql`
    CREATE TABLE projects (
      id ${id} PRIMARY KEY,
      owner_id ${id} NOT NULL REFERENCES users (id),
      name TEXT NOT NULL,
      description TEXT,
      created_at ${timestamp} NOT NULL,
      updated_at ${timestamp} NOT NULL,
      deleted_at ${timestamp}
    )
  `
  // SQLite counts from the index alone only if the index includes the column of its condition.
  yield* sql`
    CREATE INDEX projects_newest ON projects (owner_id, created_at DESC, id DESC, deleted_at)
    WHERE deleted_at IS NULL
  `
})

export const down = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DROP TABLE projects`)
