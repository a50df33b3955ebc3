import type { SqlClient, Statement } from "effect/sql"

/**
 * Sums that no list of rows can break. An answer holds integers up to 2^53 − 1 on both sides of zero; a sum beyond
 * saturates there. `sum()` of SQLite fails beyond 2^63, that of PostgreSQL makes a number which no BIGINT holds.
 */

const maxSafe = Number.MAX_SAFE_INTEGER

/** The integer itself, or the end of the safe range that it lies beyond. */
export const saturated = (value: number | bigint): number =>
  Number(value > maxSafe ? maxSafe : value < -maxSafe ? -maxSafe : value)

/** `saturated` in SQL, of an expression. */
export const saturateSql = (sql: SqlClient.SqlClient, expression: string): string =>
  sql.onDialectOrElse({
    sqlite: () => `min(${maxSafe}, max(-${maxSafe}, ${expression}))`,
    orElse: () => `least(${maxSafe}, greatest(-${maxSafe}, ${expression}))`,
  })

/** Sums of quotients and of remainders stay below 2^53 for 67 million rows, whatever their values. */
const partSize = 2 ** 27

/** Rows of earlier versions may lie beyond. */
const saturatedQuantity = (sql: SqlClient.SqlClient) => saturateSql(sql, "quantity")

/** The saturated sum of the column `quantity`, 0 of no rows. */
export const saturatedSum = (sql: SqlClient.SqlClient): Statement.Fragment => {
  const row = saturatedQuantity(sql)
  const sum = sql.onDialectOrElse({
    // A product beyond 2^63 is a float, and no failure.
    sqlite: () => `sum(${row} / ${partSize}) * ${partSize} + sum(${row} % ${partSize})`,
    orElse: () => `sum(${row})`,
  })
  // Within, because `least` of PostgreSQL passes over a null.
  return sql.literal(`CAST(${saturateSql(sql, `coalesce(${sum}, 0)`)} AS BIGINT)`)
}

export interface Parts {
  readonly high: number
  readonly low: number
}

/** The exact sum of the column `quantity` as the columns `high` and `low`, which `exact` puts together. */
export const exactSum = (sql: SqlClient.SqlClient): Statement.Fragment => {
  const row = saturatedQuantity(sql)
  return sql.literal(
    `CAST(sum(${row} / ${partSize}) AS BIGINT) AS high, CAST(sum(${row} % ${partSize}) AS BIGINT) AS low`,
  )
}

export const sumOfParts = ({ high, low }: Parts): bigint => BigInt(high) * BigInt(partSize) + BigInt(low)
