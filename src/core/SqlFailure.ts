import { Predicate } from "effect"
import { SqlError } from "effect/sql"
import { ServiceUnavailableError } from "../domain/Errors.ts"

/** Interprets `SqlError`s. No other module inspects them. */

/** Returns `ServiceUnavailableError` for outages and lock conflicts, undefined for wrong statements or values. */
export const toUnavailable = (error: SqlError.SqlError): ServiceUnavailableError | undefined => {
  const { reason } = error
  switch (reason._tag) {
    case "ConnectionError":
    case "AuthenticationError":
    case "StatementTimeoutError":
      return unavailable(error)
    case "LockTimeoutError":
    case "SerializationError":
    case "DeadlockError":
      return unavailable(error, 1)
    case "UnknownError":
      return isOutage(reason.cause) ? unavailable(error) : undefined
    default:
      return undefined
  }
}

/** Returns the column of a unique violation; undefined for any other error. */
export const duplicateColumn = (error: unknown): string | undefined =>
  SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation"
    ? columnOf(error.reason)
    : undefined

/** True after a conflict with another transaction: a retry may succeed. */
export const isTransient = (error: unknown): boolean => {
  const tag = reasonTag(error)
  return tag === "SerializationError" || tag === "DeadlockError"
}

/** True when waiting for a lock timed out. */
export const isBusy = (error: unknown): boolean => reasonTag(error) === "LockTimeoutError"

const reasonTag = (error: unknown) => {
  const failure = error instanceof ServiceUnavailableError ? error.cause : error
  return SqlError.isSqlError(failure) ? failure.reason._tag : undefined
}

const unavailable = (cause: SqlError.SqlError, retry_after?: number) =>
  new ServiceUnavailableError({
    service: "database",
    cause,
    ...(retry_after !== undefined && { retry_after }),
  })

/**
 * Outage codes that the drivers do not classify. PostgreSQL: 53 too many connections or disk full, 57P shutdown and
 * startup, 58 I/O errors, 25006 read-only standby, 25P03 idle-in-transaction timeout. SQLite: 8 READONLY, 10 IOERR,
 * 13 FULL.
 */
const isOutage = (cause: unknown) => {
  if (!(cause instanceof Error)) return false
  if (
    "code" in cause &&
    typeof cause.code === "string" &&
    /^(?:53|57P|58|25006$|25P03$)/.test(cause.code)
  ) {
    return true
  }
  return (
    "errno" in cause && typeof cause.errno === "number" && [8, 10, 13].includes(cause.errno & 255)
  )
}

/**
 * SQLite reports `table.column`. PostgreSQL reports the constraint: `table_column_key`, by its default naming and by
 * our naming of unique indexes, or `table_pkey`.
 */
const columnOf = ({ cause, constraint }: SqlError.UniqueViolation) => {
  const table =
    typeof cause === "object" && cause !== null && "table" in cause ? cause.table : undefined
  if (typeof table !== "string") return constraint.replace(/^.*?\.|,.*$/g, "")
  return constraint === `${table}_pkey`
    ? "id"
    : constraint.replace(new RegExp(`^${table}_`), "").replace(/_key$/, "")
}

/**
 * Returns the database's message, searching the chain of causes: `FOREIGN KEY constraint failed`. It names tables,
 * columns and constraints, never a value of a row. Undefined when no `SqlError` is among the causes.
 */
export const reasonText = (error: unknown): string | undefined => {
  const found = findSqlError(error, 0)
  return found && reasonMessage(found.reason)
}

const findSqlError = (error: unknown, depth: number): SqlError.SqlError | undefined => {
  if (SqlError.isSqlError(error)) return error
  const isDeeper = depth < 8 && Predicate.hasProperty(error, "cause")
  return isDeeper ? findSqlError(error.cause, depth + 1) : undefined
}

/** Returns the message of an error, with that of the database. */
export const withReason = (error: Error): string => {
  const reason = reasonText(error)
  if (reason === undefined) return error.message
  return SqlError.isSqlError(error) ? reason : `${error.message}: ${reason}`
}

/** Replaces the database's message in a stack trace, which may quote a value, with `reasonText`. */
export const withoutValues = (trace: string, error: unknown): string => {
  const reason = findSqlError(error, 0)?.reason
  return reason?.cause instanceof Error && reason.cause.message !== ""
    ? trace.replaceAll(reason.cause.message, () => reasonMessage(reason))
    : trace
}

const reasonMessage = ({ _tag, cause, message = _tag }: SqlError.SqlErrorReason) => {
  if (!(cause instanceof Error)) return message
  if ("errcode" in cause && "errstr" in cause) {
    return safeOnSqlite.test(cause.message) ? cause.message : String(cause.errstr)
  }
  if (!("code" in cause) || typeof cause.code !== "string") return message
  // Includes ECONNREFUSED, whose message contains the address.
  if (!safeOnPostgres.test(cause.code)) return `${message} (${cause.code})`
  if (!cause.code.startsWith("22")) return cause.message
  return `${cause.message.replace(/[:\s]*["«»„“”].*$/s, "")} (${cause.code})`
}

/** Messages about the schema and the statement. Others may quote a parameter: that of a bad JSON path does. */
const safeOnSqlite =
  /^(?:(?:FOREIGN KEY|UNIQUE|CHECK|NOT NULL) constraint failed|no such (?:table|column|function|index)|(?:table|index|view|trigger) \S+ already exists|duplicate column name|near "|malformed JSON|integer overflow|datatype mismatch|database )/

/**
 * SQLSTATE classes whose messages name only tables, columns and constraints: 23 constraints, 25 and 40 transactions,
 * 42 statements, 53 to 58 the server. Messages of class 22 end with the value, in the quotation marks of the server's
 * language, which is cut. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const safeOnPostgres = /^(?:2[235]|4[02]|5[3-8])[0-9A-Z]{3}$/
