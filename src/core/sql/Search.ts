import type { SqlClient, Statement } from "effect/sql"

/**
 * Folds case by Unicode, with equal results on SQLite, where it is registered as the SQL function `fold`, and on
 * PostgreSQL (`folded`). Converts to upper case first, so that ß equals SS; both lower-case sigmas are equal.
 */
export const fold = (text: string) => text.toUpperCase().toLowerCase().replaceAll("ς", "σ")

/** The SQL expression for a column folded like `fold`. */
export const folded = (sql: SqlClient.SqlClient, column: string) =>
  sql.onDialectOrElse({
    sqlite: () => sql`fold(${sql(column)})`,
    orElse: () =>
      sql`translate(lower(upper(${sql(column)} COLLATE "und-x-icu") COLLATE "und-x-icu"), 'ς', 'σ')`,
  })

/** The condition that any of the columns contains the text, ignoring case. `%` and `_` match themselves. */
export const contains = (
  sql: SqlClient.SqlClient,
  columns: ReadonlyArray<string>,
  text: string,
): Statement.Fragment => {
  const pattern = `%${fold(text).replaceAll(/[\\%_]/g, (special) => `\\${special}`)}%`
  return sql.or(columns.map((column) => sql`${folded(sql, column)} LIKE ${pattern} ESCAPE '\\'`))
}
