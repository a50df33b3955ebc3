import type { PgConnection } from "@effect/sql-pg"
import { Effect, Exit, Stream } from "effect"
import { SqlError } from "effect/sql"

interface RunningStatement {
  readonly session: PgConnection.PgConnection
  readonly started: number
  isOverdue: boolean
}

interface Options {
  /** ms */
  readonly answerTimeoutMs: number
  /** Told of every statement that ran, with its start by `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/**
 * Statements under way, each with a bound on its wait for an answer. A server that hangs keeps no timeout of its
 * own. The session is ended with the statement, because the answer would still come; what else is under way on
 * it fails, too. One timer looks after all: a timeout for each would cost more than the statement.
 */
export class Watch {
  private readonly underWay = new Set<RunningStatement>()
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** The statement, which ends in time. To be run at once, and once. */
  bounded<A>(
    session: PgConnection.PgConnection,
    sql: string,
    statement: Effect.Effect<A, SqlError.SqlError>,
  ): Effect.Effect<A, SqlError.SqlError> {
    const entry: RunningStatement = { session, started: performance.now(), isOverdue: false }
    return Effect.onExitPrimitive(
      // Only here is it sure to be taken out again: the fiber may be interrupted at any step.
      Effect.suspend(() => {
        this.underWay.add(entry)
        return statement
      }),
      (exit) => {
        this.underWay.delete(entry)
        if (Exit.isSuccess(exit)) this.options.observe(sql, entry.started)
        return undefined
      },
    )
  }

  /** The stream, whose next rows come in time. The driver cancels one that is given up, or ends its session. */
  boundedStream<A>(rows: Stream.Stream<A, SqlError.SqlError>) {
    return Stream.timeoutOrElse(rows, {
      duration: this.options.answerTimeoutMs,
      orElse: () => Stream.fail(answerTimedOut()),
    })
  }

  /**
   * To be called every now and then. Late is who is so twice: the answer may have come while this process itself stood
   * still, and be read only now.
   */
  readonly sweep = (now: number) => {
    const oldest = now - this.options.answerTimeoutMs
    for (const entry of this.underWay) {
      if (entry.started > oldest) continue
      if (entry.isOverdue) endSession(entry.session)
      entry.isOverdue = true
    }
  }
}

const answerTimedOut = () =>
  new SqlError.SqlError({
    reason: new SqlError.StatementTimeoutError({
      cause: new Error("The server did not answer in time"),
      operation: "query",
    }),
  })

/**
 * The driver ends a session by itself when its socket or protocol fails, and has no public way to be told that an
 * answer is overdue. A reserved session is a view of its `base`.
 */
const endSession = (session: PgConnection.PgConnection) => {
  const { base } = session as { readonly base?: unknown }
  const driver = (base ?? session) as { readonly fatal: (error: SqlError.SqlError) => void }
  driver.fatal(answerTimedOut())
}
