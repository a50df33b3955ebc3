import { SqlError } from "effect/sql"
import { scrub } from "./Logger.ts"
import { withReason } from "../SqlFailure.ts"

/** Formats an error for operators: its name, its message and the reason given by the database. Secrets are removed. */
export const errorText = (error: unknown): string => {
  if (!(error instanceof Error)) return typeof error
  const name = SqlError.isSqlError(error) ? "SqlError" : error.name
  return scrub(`${name}: ${withReason(error)}`)
}
