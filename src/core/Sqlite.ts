import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Cause, Effect, Exit, type Scope, Semaphore, Stream } from "effect"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { BoundedMap } from "./BoundedMap.ts"
import { fold } from "./Search.ts"
import { Prepared, toInput } from "./SqliteStatement.ts"

export interface Options {
  readonly filename: string
  /** Told of every statement that ran, with its start by `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/**
 * `SqlClient` over node:sqlite: one connection, WAL, foreign keys on. Columns declared BOOLEAN and JSON_TEXT come
 * out as on PostgreSQL, as booleans and parsed values; integers are numbers. A transaction begins IMMEDIATE, so
 * that read-then-write never meets SQLITE_BUSY_SNAPSHOT.
 *
 * A statement outside a transaction takes no permit, unless another fiber's transaction is open on the one
 * connection: it would run inside that one, so it waits.
 */
export const make = Effect.fnUntraced(function* ({ filename, observe }: Options) {
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => open(filename), catch: (cause) => failure(cause, "connect") }),
    (handle) => Effect.sync(() => handle.close()),
  )
  const execute = executor(database, observe)
  const anyone = connect((statement) => retryWhileBusy(() => execute(statement)))
  const isTransaction = () => database.isTransaction
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(anyone),
    semaphore: Semaphore.makeUnsafe(1),
    isTransaction,
  })
  const outside = connect((statement) =>
    retryWhileBusy(() =>
      // The look at the transaction and the execution are one synchronous step: nothing comes between them.
      database.isTransaction
        ? acquirers.borrower(() => retryWhileBusy(() => execute(statement)))
        : execute(statement),
    ),
  )

  return yield* SqlClient.make({
    acquirer: Effect.succeed(outside),
    borrower: (f) => f(outside),
    transactionAcquirer: Effect.andThen(
      acquirers.transactionAcquirer,
      transactionConnection(execute),
    ),
    onCommitFailure: acquirers.onCommitFailure,
    isTransaction,
    compiler: Statement.makeCompilerSqlite(),
    driver: "node:sqlite",
    prepareTransactionControls: true,
    beginTransaction: "BEGIN IMMEDIATE",
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "sqlite"]],
  })
})

/** Opening may block on another process's lock; afterwards waiting is done without blocking this one. */
const open = (filename: string) => {
  if (filename !== ":memory:") mkdirSync(dirname(filename), { recursive: true })
  const database = new DatabaseSync(filename, { timeout: 5000, enableForeignKeyConstraints: true })
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  database.exec(`PRAGMA busy_timeout = ${lockRetryMs}`)
  database.function("fold", { deterministic: true }, (text) =>
    typeof text === "string" ? fold(text) : text,
  )
  return database
}

/** How long a statement waits for a lock of another process, in ms, and between two looks. */
const lockTimeoutMs = 1500
const lockRetryMs = 25

type Result = Exit.Exit<ReadonlyArray<unknown>, SqlError.SqlError>
type Execution = Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>

/** Busy is tried again for a while; the process goes on in between. */
const retryWhileBusy = (execution: () => Result | Execution, waited = 0): Execution =>
  Effect.suspend(() => {
    const result = execution()
    return waited < lockTimeoutMs && Exit.isExit(result) && isBusy(result)
      ? Effect.andThen(
          Effect.sleep(lockRetryMs),
          retryWhileBusy(execution, waited + 2 * lockRetryMs),
        )
      : result
  })

const isBusy = (result: Result) =>
  Exit.isFailure(result) &&
  result.cause.reasons.some(
    (reason) => Cause.isFailReason(reason) && reason.error.reason._tag === "LockTimeoutError",
  )

/**
 * The connection as one transaction sees it. A fiber that outlives the transaction is refused, as on PostgreSQL:
 * it would write into whichever transaction is open then.
 */
const transactionConnection = (
  execute: Execute,
): Effect.Effect<SqlConnection.Connection, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => ({ ended: false })),
      (transaction) => Effect.sync(() => void (transaction.ended = true)),
    ),
    (transaction) =>
      connect((statement) =>
        retryWhileBusy(() => (transaction.ended ? Exit.fail(ended()) : execute(statement))),
      ),
  )

const ended = () => failure(new Error("The transaction has ended"), "execute")

interface Query {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly mode: "rows" | "values" | "changes"
}

const connect = (run: (query: Query) => Execution): SqlConnection.Connection => {
  const execute: SqlConnection.Connection["execute"] = (sql, params, transform) => {
    const rows = run({ sql, params, mode: "rows" })
    return transform === undefined
      ? rows
      : Effect.map(rows, (found) => transform(found as ReadonlyArray<object>))
  }
  const executeValues: SqlConnection.Connection["executeValues"] = (sql, params) =>
    run({ sql, params, mode: "values" }) as ReturnType<SqlConnection.Connection["executeValues"]>
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, params) => run({ sql, params, mode: "changes" }),
    executeValues,
    executeValuesUnprepared: executeValues,
    // One connection: rows are read at once, because a cursor would hold it while its reader waits.
    executeStream: (sql, params, transform) =>
      Stream.fromIterableEffect(execute(sql, params, transform)),
  }
}

type Execute = (query: Query) => Result

const executor = (database: DatabaseSync, observe: Options["observe"]): Execute => {
  const prepared = new BoundedMap<string, Prepared>(maxPrepared)
  const prepare = (sql: string) => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const made = new Prepared(database.prepare(sql))
    prepared.set(sql, made)
    return made
  }
  return ({ sql, params, mode }) => {
    const started = performance.now()
    try {
      const rows = prepare(sql)[mode](params.map(toInput))
      observe(sql, started)
      return Exit.succeed(rows)
    } catch (cause) {
      return Exit.fail(failure(cause, "execute"))
    }
  }
}

const maxPrepared = 500

/**
 * node:sqlite puts SQLite's extended result code in `errcode`; the classifier reads `errno`. It calls
 * only 2067 (UNIQUE) a unique violation, so 1555 (PRIMARY KEY) is given as that.
 */
const failure = (cause: unknown, operation: string): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: SqlError.classifySqliteError(withErrno(cause), {
      operation,
      message: `Sqlite: ${operation} failed`,
    }),
  })

const withErrno = (cause: unknown): unknown =>
  cause instanceof Error && "errcode" in cause
    ? Object.assign(cause, { errno: cause.errcode === 1555 ? 2067 : cause.errcode })
    : cause
