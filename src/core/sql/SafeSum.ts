import type { SqlClient, Statement } from "effect/sql"

/**
 * Sums without overflow. Responses hold integers from −(2^53 − 1) to 2^53 − 1; sums saturate at these bounds. `sum()`
 * of SQLite fails beyond 2^63, that of PostgreSQL returns a NUMERIC that may not fit a BIGINT.
 */

const maxSafe = Number.MAX_SAFE_INTEGER

/** Clamps an integer to the safe range. */
export const saturated = (value: number | bigint): number =>
  Number(value > maxSafe ? maxSafe : value < -maxSafe ? -maxSafe : value)

/** Returns the SQL text that clamps an expression to the safe range. */
export const saturateSql = (sql: SqlClient.SqlClient, expression: string): string =>
  sql.onDialectOrElse({
    sqlite: () => `min(${maxSafe}, max(-${maxSafe}, ${expression}))`,
    orElse: () => `least(${maxSafe}, greatest(-${maxSafe}, ${expression}))`,
  })

/** Sums of quotients and of remainders by it stay below 2^53 for 67 million rows of any values. */
const partSize = 2 ** 27

/** The clamped quantity: rows of earlier versions may exceed the safe range. */
const saturatedQuantity = (sql: SqlClient.SqlClient) => saturateSql(sql, "quantity")

/** The saturated sum of the column `quantity`; 0 without rows. */
export const saturatedSum = (sql: SqlClient.SqlClient): Statement.Fragment => {
  const row = saturatedQuantity(sql)
  const sum = sql.onDialectOrElse({
    // A product beyond 2^63 becomes a float and does not fail.
    sqlite: () => `sum(${row} / ${partSize}) * ${partSize} + sum(${row} % ${partSize})`,
    orElse: () => `sum(${row})`,
  })
  // `coalesce` inside, because `least` of PostgreSQL ignores nulls.
  return sql.literal(`CAST(${saturateSql(sql, `coalesce(${sum}, 0)`)} AS BIGINT)`)
}

export interface Parts {
  readonly high: number
  readonly low: number
}

/** The exact sum of the column `quantity` as two columns, `high` and `low`, for `sumOfParts`. */
export const exactSum = (sql: SqlClient.SqlClient): Statement.Fragment => {
  const row = saturatedQuantity(sql)
  return sql.literal(
    `CAST(sum(${row} / ${partSize}) AS BIGINT) AS high, CAST(sum(${row} % ${partSize}) AS BIGINT) AS low`,
  )
}

export const sumOfParts = ({ high, low }: Parts): bigint =>
  BigInt(high) * BigInt(partSize) + BigInt(low)
