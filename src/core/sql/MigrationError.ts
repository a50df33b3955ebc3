import { Data } from "effect"
import { reasonText } from "../SqlFailure.ts"

/** A migration failed. The whole run was rolled back, including the migrations before it. */
export class MigrationError extends Data.TaggedError("MigrationError")<{
  readonly migration: string
  readonly cause: unknown
}> {
  override get message() {
    return `migration ${this.migration} failed: ${reasonOf(this.cause)}`
  }
}

/** The migrations of this release conflict with those that ran on this database. Nothing was changed. */
export class MigrationConflictError extends Data.TaggedError("MigrationConflictError")<{
  /** One line per problem: which migrations, and what to do. */
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return this.problems.join("\n")
  }
}

/** Returns the database's message without values of rows, or the message of a bug. */
const reasonOf = (cause: unknown): string =>
  reasonText(cause) ?? (cause instanceof Error ? cause.message : String(cause))
