import { Data } from "effect"
import { reasonText } from "./SqlFailure.ts"

/** A migration did not run to its end; nothing of it, nor of those before it in the same run, is kept. */
export class MigrationError extends Data.TaggedError("MigrationError")<{
  readonly migration: string
  readonly cause: unknown
}> {
  override get message() {
    return `Migration ${this.migration} failed: ${reasonOf(this.cause)}`
  }
}

/** The migrations of this release and those that ran on this database do not fit together: nothing was changed. */
export class MigrationConflictError extends Data.TaggedError("MigrationConflictError")<{
  /** One line each: which migrations, and what to do. */
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return this.problems.join("\n")
  }
}

/** The database's words without values of rows, or the message of a bug. */
const reasonOf = (cause: unknown): string =>
  reasonText(cause) ?? (cause instanceof Error ? cause.message : String(cause))
