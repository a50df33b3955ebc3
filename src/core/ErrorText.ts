import { SqlError } from "effect/sql"
import { scrub } from "./Logger.ts"
import { withReason } from "./SqlFailure.ts"

/** An error as operators read it: its name, its message and what the database said. Without what is secret. */
export const errorText = (error: unknown): string => {
  if (!(error instanceof Error)) return typeof error
  const name = SqlError.isSqlError(error) ? "SqlError" : error.name
  return scrub(`${name}: ${withReason(error)}`)
}
