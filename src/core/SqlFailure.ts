import { Predicate } from "effect"
import { SqlError } from "effect/sql"
import { ServiceUnavailableError } from "../domain/Errors.ts"

/** The one place that reads SqlErrors. */

/** The caller's failure when the database cannot do it now; undefined when the statement or its values are wrong. */
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

/** The column whose value is there already; undefined when the error is another one. */
export const duplicateColumn = (error: unknown): string | undefined =>
  SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation"
    ? columnOf(error.reason)
    : undefined

/** Refused because of another transaction: the same one may succeed when it runs again. */
export const isTransient = (error: unknown): boolean => {
  const tag = reasonTag(error)
  return tag === "SerializationError" || tag === "DeadlockError"
}

/** Somebody else held the lock for too long. */
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
 * Codes that the drivers do not class. PostgreSQL: 53 too many connections or no space, 57P shutdown and start,
 * 58 input and output, 25006 a standby, 25P03 a transaction that idled. SQLite: 8 READONLY, 10 IOERR, 13 FULL.
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
 * SQLite tells `table.column`; PostgreSQL the name of the constraint, which is `table_column_key` by its own rule
 * and by ours for indexes, or `table_pkey`.
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
 * Tells what the database said of an error, however deep in its causes: `FOREIGN KEY constraint failed`. Names tables, columns
 * and constraints, never a value of a row. Undefined when no database is behind it.
 */
export const reasonText = (error: unknown): string | undefined => {
  const found = within(error, 0)
  return found && textOf(found.reason)
}

const within = (error: unknown, depth: number): SqlError.SqlError | undefined => {
  if (SqlError.isSqlError(error)) return error
  const isDeeper = depth < 8 && Predicate.hasProperty(error, "cause")
  return isDeeper ? within(error.cause, depth + 1) : undefined
}

/** The message of an error, with what the database said. */
export const withReason = (error: Error): string => {
  const reason = reasonText(error)
  if (reason === undefined) return error.message
  return SqlError.isSqlError(error) ? reason : `${error.message}: ${reason}`
}

/** A stack trace of an error, where a message of the database that may quote a value is what `reasonText` says. */
export const withoutValues = (trace: string, error: unknown): string => {
  const reason = within(error, 0)?.reason
  return reason?.cause instanceof Error && reason.cause.message !== ""
    ? trace.replaceAll(reason.cause.message, () => textOf(reason))
    : trace
}

const textOf = ({ _tag, cause, message = _tag }: SqlError.SqlErrorReason) => {
  if (!(cause instanceof Error)) return message
  if ("errcode" in cause && "errstr" in cause) {
    return safeOnSqlite.test(cause.message) ? cause.message : String(cause.errstr)
  }
  if (!("code" in cause) || typeof cause.code !== "string") return message
  // Also ECONNREFUSED, whose message holds the address.
  if (!safeOnPostgres.test(cause.code)) return `${message} (${cause.code})`
  if (!cause.code.startsWith("22")) return cause.message
  return `${cause.message.replace(/[:\s]*["«»„“”].*$/s, "")} (${cause.code})`
}

/** Messages about the schema and the statement. Others may quote a parameter, as the one of a wrong JSON path does. */
const safeOnSqlite =
  /^(?:(?:FOREIGN KEY|UNIQUE|CHECK|NOT NULL) constraint failed|no such (?:table|column|function|index)|(?:table|index|view|trigger) \S+ already exists|duplicate column name|near "|malformed JSON|integer overflow|datatype mismatch|database )/

/**
 * SQLSTATEs whose messages name tables, columns and constraints: 23 constraints, 25 and 40 transactions, 42 the
 * statement, 53 to 58 the server. Those of 22 quote the value, at their end, in the
 * quotation marks of the server's language. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const safeOnPostgres = /^(?:2[235]|4[02]|5[3-8])[0-9A-Z]{3}$/
