import type { SqlClient, Statement } from "effect/sql"

/**
 * Text without regard to case, by Unicode: the same on SQLite, where it is registered as the SQL function `fold`,
 * and on PostgreSQL (`folded`). Through upper case first, so that ß meets SS; both lower sigmas are one.
 */
export const fold = (text: string) => text.toUpperCase().toLowerCase().replaceAll("ς", "σ")

/** A column folded in SQL, as `fold` does it. */
export const folded = (sql: SqlClient.SqlClient, column: string) =>
  sql.onDialectOrElse({
    sqlite: () => sql`fold(${sql(column)})`,
    orElse: () =>
      sql`translate(lower(upper(${sql(column)} COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')`,
  })

/** Any of the columns contains the text, without regard to case; `%` and `_` are themselves. */
export const contains = (
  sql: SqlClient.SqlClient,
  columns: ReadonlyArray<string>,
  text: string,
): Statement.Fragment => {
  const pattern = `%${fold(text).replaceAll(/[\\%_]/g, (special) => `\\${special}`)}%`
  return sql.or(columns.map((column) => sql`${folded(sql, column)} LIKE ${pattern} ESCAPE '\\'`))
}
