import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { columnTypes } from "./Dialect.ts"

export const up = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp } = yield* columnTypes

  yield* sql`ALTER TABLE users ADD COLUMN closed_at ${timestamp}`
  yield* sql`CREATE INDEX users_closed ON users (closed_at) WHERE closed_at IS NOT NULL`
  yield* sql`CREATE INDEX projects_deleted ON projects (deleted_at) WHERE deleted_at IS NOT NULL`
  yield* sql`
    CREATE TABLE user_exports (
      user_id ${id} PRIMARY KEY REFERENCES users (id),
      content TEXT NOT NULL,
      created_at ${timestamp} NOT NULL
    )
  `
  yield* sql`CREATE INDEX user_exports_oldest ON user_exports (created_at)`
})

export const down = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE user_exports`
  yield* sql`DROP INDEX projects_deleted`
  yield* sql`DROP INDEX users_closed`
  yield* sql`ALTER TABLE users DROP COLUMN closed_at`
})
