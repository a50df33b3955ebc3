import type { PgConnection } from "@effect/sql-pg"
import { Effect, Exit, Stream } from "effect"
import { SqlError } from "effect/sql"

interface RunningStatement {
  readonly session: PgConnection.PgConnection
  readonly started: number
  isOverdue: boolean
}

interface Options {
  readonly answerTimeoutMs: number
  /** Called after every successful statement with its start, as `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/**
 * Enforces `answerTimeoutMs` on running statements; a server that hangs does not enforce its own timeouts. An overdue
 * statement ends its session, because the answer could still arrive; other statements on that session fail too. One
 * timer serves all statements: a timeout for each would cost more than the statement.
 */
export class Watch {
  private readonly running = new Set<RunningStatement>()
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** Adds the timeout to a statement. Run the result immediately, and only once. */
  bounded<A>(
    session: PgConnection.PgConnection,
    sql: string,
    statement: Effect.Effect<A, SqlError.SqlError>,
  ): Effect.Effect<A, SqlError.SqlError> {
    const entry: RunningStatement = { session, started: performance.now(), isOverdue: false }
    return Effect.onExitPrimitive(
      // Added here, where the exit handler is certain to remove it: the fiber may be interrupted at any step.
      Effect.suspend(() => {
        this.running.add(entry)
        return statement
      }),
      (exit) => {
        this.running.delete(entry)
        if (Exit.isSuccess(exit)) this.options.observe(sql, entry.started)
        return undefined
      },
    )
  }

  /** Adds the timeout to each pull of a stream. The driver then cancels the stream, or ends its session. */
  boundedStream<A>(rows: Stream.Stream<A, SqlError.SqlError>) {
    return Stream.timeoutOrElse(rows, {
      duration: this.options.answerTimeoutMs,
      orElse: () => Stream.fail(answerTimedOut()),
    })
  }

  /**
   * Call periodically. A session ends only when two sweeps in a row find its statement overdue: after a stall of this
   * process the answer may be waiting in the socket.
   */
  readonly sweep = (now: number) => {
    const oldest = now - this.options.answerTimeoutMs
    for (const entry of this.running) {
      if (entry.started > oldest) continue
      if (entry.isOverdue) endSession(entry.session)
      entry.isOverdue = true
    }
  }
}

const answerTimedOut = () =>
  new SqlError.SqlError({
    reason: new SqlError.StatementTimeoutError({
      cause: new Error("the server did not answer in time"),
      operation: "query",
    }),
  })

/**
 * Ends a session by the driver's private `fatal`, which it calls itself when a socket or the protocol fails; there is
 * no public call for it. A reserved session wraps its `base`.
 */
const endSession = (session: PgConnection.PgConnection) => {
  const { base } = session as { readonly base?: unknown }
  const driver = (base ?? session) as { readonly fatal: (error: SqlError.SqlError) => void }
  driver.fatal(answerTimedOut())
}
