import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Cause, Effect, Exit, type Scope, Semaphore, Stream } from "effect"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { BoundedMap } from "../../BoundedMap.ts"
import { fold } from "../Search.ts"
import { GroupCommit } from "./GroupCommit.ts"
import { Prepared, toInput } from "./Statement.ts"

export interface Options {
  readonly filename: string
  /** Called after every successful statement with its start, as `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/**
 * `SqlClient` over node:sqlite: one connection, WAL, foreign keys on. Columns declared BOOLEAN and JSON_TEXT are read
 * as on PostgreSQL, as booleans and parsed values; integers are numbers. Transactions begin IMMEDIATE, so that a read
 * followed by a write never fails with SQLITE_BUSY_SNAPSHOT.
 *
 * A statement outside a transaction takes no permit, unless another fiber has a transaction open on the connection:
 * then it waits, because it would run inside that transaction.
 */
export const make = Effect.fnUntraced(function* ({ filename, observe }: Options) {
  const database = yield* Effect.acquireRelease(
    Effect.try({ try: () => open(filename), catch: (cause) => toSqlError(cause, "connect") }),
    (handle) => Effect.sync(() => handle.close()),
  )
  const execute = makeExecutor(database, observe)
  const shared = makeConnection((statement) => retryWhileBusy(() => execute(statement)))
  const isTransaction = () => database.isTransaction
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(shared),
    semaphore: Semaphore.makeUnsafe(1),
    isTransaction,
  })
  const executeAlone = (query: Query) =>
    retryWhileBusy(() =>
      // The check and the execution are one synchronous step: no other fiber runs between them.
      database.isTransaction
        ? acquirers.borrower(() => retryWhileBusy(() => execute(query)))
        : execute(query),
    )
  const groupCommit = new GroupCommit({ database, execute, executeAlone, toError: toSqlError })
  const autocommit = makeConnection((query) =>
    isWrite.test(query.sql) ? groupCommit.run(query) : executeAlone(query),
  )

  const sql = yield* SqlClient.make({
    acquirer: Effect.succeed(autocommit),
    borrower: (f) => f(autocommit),
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
  return { sql, autocommit }
})

/** A statement that changes rows. All others run at once: reads, and those that define tables. */
const isWrite = /^\s*(?:INSERT|UPDATE|DELETE)\b/i

/** Opening may block on a lock of another process, up to 5 s. Later waits do not block the event loop. */
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

/** The time a statement waits for a lock of another process. */
const lockTimeoutMs = 1500
/** The time between two attempts. SQLite itself blocks equally long within each. */
const lockRetryMs = 25

type Result = Exit.Exit<ReadonlyArray<unknown>, SqlError.SqlError>
type Execution = Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>

/** Retries a busy statement until `lockTimeoutMs`, without blocking the event loop between attempts. */
const retryWhileBusy = (execution: () => Result | Execution, waitedMs = 0): Execution =>
  Effect.suspend(() => {
    const result = execution()
    return waitedMs < lockTimeoutMs && Exit.isExit(result) && isBusy(result)
      ? Effect.andThen(
          Effect.sleep(lockRetryMs),
          retryWhileBusy(execution, waitedMs + 2 * lockRetryMs),
        )
      : result
  })

const isBusy = (result: Result) =>
  Exit.isFailure(result) &&
  result.cause.reasons.some(
    (reason) => Cause.isFailReason(reason) && reason.error.reason._tag === "LockTimeoutError",
  )

/**
 * The connection of one transaction. Statements of a fiber that outlives the transaction fail, as on PostgreSQL:
 * they would otherwise run in whichever transaction is open by then.
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
      makeConnection((statement) =>
        retryWhileBusy(() =>
          transaction.ended ? Exit.fail(transactionEnded()) : execute(statement),
        ),
      ),
  )

const transactionEnded = () => toSqlError(new Error("the transaction has ended"), "execute")

interface Query {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly mode: "rows" | "values" | "changes"
}

const makeConnection = (run: (query: Query) => Execution): SqlConnection.Connection => {
  const execute: SqlConnection.Connection["execute"] = (sql, params, transform) => {
    const rows = run({ sql, params, mode: "rows" })
    return transform === undefined
      ? rows
      : Effect.map(rows, (result) => transform(result as ReadonlyArray<object>))
  }
  const executeValues: SqlConnection.Connection["executeValues"] = (sql, params) =>
    run({ sql, params, mode: "values" }) as ReturnType<SqlConnection.Connection["executeValues"]>
  return {
    execute,
    executeUnprepared: execute,
    executeRaw: (sql, params) => run({ sql, params, mode: "changes" }),
    executeValues,
    executeValuesUnprepared: executeValues,
    // Reads all rows first: a cursor would occupy the only connection while its consumer waits.
    executeStream: (sql, params, transform) =>
      Stream.fromIterableEffect(execute(sql, params, transform)),
  }
}

type Execute = (query: Query) => Result

const makeExecutor = (database: DatabaseSync, observe: Options["observe"]): Execute => {
  const prepared = new BoundedMap<string, Prepared>(maxPrepared)
  const prepare = (sql: string) => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = new Prepared(database.prepare(sql))
    prepared.set(sql, statement)
    return statement
  }
  return ({ sql, params, mode }) => {
    const started = performance.now()
    try {
      const rows = prepare(sql)[mode](params.map(toInput))
      observe(sql, started)
      return Exit.succeed(rows)
    } catch (cause) {
      return Exit.fail(toSqlError(cause, "execute"))
    }
  }
}

const maxPrepared = 500

/**
 * node:sqlite reports SQLite's extended result code in `errcode`; the classifier reads `errno` and treats only 2067
 * (UNIQUE) as a unique violation, so 1555 (PRIMARY KEY) is mapped to 2067.
 */
const toSqlError = (cause: unknown, operation: string): SqlError.SqlError =>
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
