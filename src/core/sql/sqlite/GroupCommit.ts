import type { DatabaseSync } from "node:sqlite"
import { Effect, Exit } from "effect"
import type { SqlError } from "effect/sql"

type Result = Exit.Exit<ReadonlyArray<unknown>, SqlError.SqlError>

/** A single write that waits for the end of this turn of the event loop. */
interface Write<Query> {
  readonly query: Query
  readonly resume: (result: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) => void
}

interface Options<Query> {
  readonly database: DatabaseSync
  readonly execute: (query: Query) => Result
  /** Runs a write in a transaction of its own, and waits for locks. */
  readonly executeAlone: (query: Query) => Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>
  /** Makes the error of a statement that this class runs itself. */
  readonly toError: (cause: unknown, operation: string) => SqlError.SqlError
}

/**
 * Runs the single writes of one turn of the event loop in one transaction: a commit writes every changed page, so that
 * ten commits cost up to ten times as much as one. A write is answered after the commit. A write that fails changes
 * nothing and leaves the others as they are, as in transactions of their own. While another transaction is open, and
 * when another process holds the lock, each write runs alone.
 */
export class GroupCommit<Query> {
  private readonly options: Options<Query>
  private writes: Array<Write<Query>> = []

  constructor(options: Options<Query>) {
    this.options = options
  }

  run(query: Query) {
    return Effect.callback<ReadonlyArray<unknown>, SqlError.SqlError>((resume) => {
      const write = { query, resume }
      if (this.writes.length === 0) setImmediate(this.flush)
      this.writes.push(write)
      return Effect.sync(() => {
        this.writes = this.writes.filter((one) => one !== write)
      })
    })
  }

  private readonly flush = () => {
    const { writes } = this
    this.writes = []
    const results = writes.length > 1 ? this.commit(writes) : undefined
    for (const [index, { query, resume }] of writes.entries()) {
      resume(results?.[index] ?? this.options.executeAlone(query))
    }
  }

  /** Returns the results; undefined if nothing was written, and each write has to run alone. */
  private commit(writes: ReadonlyArray<Write<Query>>): ReadonlyArray<Result> | undefined {
    const { database, execute, toError } = this.options
    // A closed database throws, here in no fiber; alone, each write fails in its own.
    if (!database.isOpen || database.isTransaction || !this.begin()) return undefined
    const results: Array<Result> = []
    for (const { query } of writes) {
      results.push(execute(query))
      // Some errors, like a full disk, roll back the whole transaction. A further write would be made, and then again.
      if (!database.isTransaction) return undefined
    }
    try {
      database.exec("COMMIT")
      return results
    } catch (cause) {
      if (database.isTransaction) database.exec("ROLLBACK")
      return writes.map(() => Exit.fail(toError(cause, "commit")))
    }
  }

  private begin() {
    try {
      this.options.database.exec("BEGIN IMMEDIATE")
      return true
    } catch {
      return false
    }
  }
}
