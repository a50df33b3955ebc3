import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Column types by content, native on PostgreSQL. Ids sort by code unit on both databases. */
export const columnTypes = Effect.map(SqlClient.SqlClient, (sql) => {
  const type = (pg: string, sqlite: string) =>
    sql.literal(sql.onDialectOrElse({ pg: () => pg, orElse: () => sqlite }))
  return {
    id: type('TEXT COLLATE "C"', "TEXT"),
    timestamp: type("TIMESTAMPTZ", "TEXT"),
    boolean: type("BOOLEAN", "BOOLEAN"),
    json: type("JSONB", "JSON_TEXT"),
    textList: type("TEXT[]", "JSON_TEXT"),
    integer: type("BIGINT", "INTEGER"),
  }
})
