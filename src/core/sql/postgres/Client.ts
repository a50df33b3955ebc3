import { PgClient, type PgConnection } from "@effect/sql-pg"
import { Context, Effect, Redacted, type Scope } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { insertsPerConnection, Pooled, Reserved } from "./Connection.ts"
import { Lane } from "./Lane.ts"
import { Sockets } from "./Sockets.ts"
import { types } from "./Types.ts"
import { Watch } from "./Watch.ts"

export interface Options {
  readonly url: Redacted.Redacted
  readonly maxConnections: number
  /** Called after every successful statement with its start, as `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/** Numbers of open connections. `active` ones run statements or are reserved by a transaction or a stream. */
export interface OpenConnections {
  readonly active: number
  readonly idle: number
}

/**
 * Bounds on opening a connection and on waiting for one from the pool. The first is shorter, so that the caller gets
 * its error, which names the cause.
 */
const connectTimeoutMs = 1300
const acquireTimeoutMs = 1500

/** A statement without an answer after this time fails: the server may be unreachable or hang. */
const answerTimeoutMs = 5000

/**
 * Timeouts that the server enforces, in ms. They are shorter than `answerTimeoutMs`, so that the server cancels the
 * statement and its connection survives. Behind a pooler that drops them (PgBouncer: `ignore_startup_parameters`),
 * only `answerTimeoutMs` applies.
 */
const sessionDefaults = {
  statement_timeout: "4000",
  // Longer than `deadlock_timeout`, 1 s, so that a deadlock is detected first.
  lock_timeout: "2000",
  // Transactions only ever wait for SQL: an idle one has leaked, and holds its locks.
  idle_in_transaction_session_timeout: "10000",
}

/**
 * A shared connection leaves the wait for a lock to an exclusive one: together its inserts wait for less than
 * `answerTimeoutMs`, after which all of them would fail, and some be made nevertheless.
 */
const insertDefaults = {
  ...sessionDefaults,
  lock_timeout: String(Math.floor(answerTimeoutMs / 2 / insertsPerConnection)),
}

/**
 * True for transactions without `answerTimeoutMs`, like migrations. They lift the timeouts of the server themselves,
 * by SET LOCAL.
 */
export const Unbounded = Context.Reference<boolean>("plinth/core/Postgres/Unbounded", {
  defaultValue: () => false,
})

/**
 * `SqlClient` over the pools of @effect/sql-pg, with our own connections instead of those of its client: each statement
 * is measured and has a timeout without a fiber of its own, waits a bounded time for a connection, and fails with a
 * typed error when the server dies inside a transaction; the client of @effect/sql-pg fails with a defect there,
 * because its ROLLBACK fails.
 *
 * A third of the connections serves single reads, pipelined: many reads share a connection, and a slow one delays only
 * those behind it. In pools of nine and more, two connections serve single inserts in the same way: an insert waits only
 * for the lock of a row that it refers to, and soon leaves that wait to an exclusive connection. Other writes,
 * transactions and streams wait for locks more often, so each gets one of the other connections to itself.
 */
export const make = Effect.fnUntraced(function* ({
  url,
  maxConnections,
  observe,
}: Options): Effect.fn.Return<
  {
    readonly sql: SqlClient.SqlClient
    readonly autocommit: SqlConnection.Connection
    readonly pool: () => OpenConnections
  },
  SqlError.SqlError,
  Scope.Scope | Reactivity.Reactivity
> {
  const sockets = new Sockets(Redacted.value(url))
  const watch = new Watch({ answerTimeoutMs, observe })
  const lane = (
    sessions: number,
    statementsPerSession: number,
    startupParameters = sessionDefaults,
  ) =>
    Lane.make({
      connection: {
        url,
        connectTimeout: connectTimeoutMs,
        applicationName: "plinth",
        startupParameters,
        types: types(),
      },
      sockets,
      sessions,
      statementsPerSession,
      acquireTimeoutMs,
    })
  const sharedLanes = (sessions: number, statements: number, defaults = sessionDefaults) =>
    Effect.all(Array.from({ length: sessions }, () => lane(1, statements, defaults)))
  const readSessions = Math.max(1, Math.round(maxConnections / 3))
  const insertSessions = maxConnections < 9 ? 0 : 2
  const exclusiveSessions = Math.max(1, maxConnections - readSessions - insertSessions)
  const reads = yield* sharedLanes(readSessions, maxReadsPerConnection)
  const inserts = yield* sharedLanes(insertSessions, insertsPerConnection, insertDefaults)
  const exclusive = yield* lane(exclusiveSessions, 1)
  const lanes = [...reads, ...inserts, exclusive]
  yield* every(sweepIntervalMs, (now) => {
    watch.sweep(now)
    for (const { sweep } of lanes) sweep(now)
  })

  const reserve = Effect.flatMap(exclusive.reserve, (session) =>
    Effect.map(
      Unbounded,
      (unbounded) => new Reserved(session, exclusive, unbounded ? undefined : watch),
    ),
  )
  const pooled = new Pooled({ reads, inserts, exclusive }, watch)

  const sql = yield* SqlClient.make({
    acquirer: reserve,
    borrower: (f) => f(pooled),
    transactionAcquirer: reserve,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]],
  })

  const poolState = () => {
    const pipelined = [...reads, ...inserts].filter(({ inUse }) => inUse > 0).length
    const active = Math.min(sockets.open, pipelined + exclusive.inUse)
    return { active, idle: sockets.open - active }
  }
  return { sql, autocommit: pooled, pool: poolState }
})

/** The most reads pipelined on one connection. */
const maxReadsPerConnection = 32

const every = (intervalMs: number, f: (now: number) => void) =>
  Effect.acquireRelease(
    // Real time, because the answers come over real sockets.
    // @effect-diagnostics-next-line globalTimersInEffect:off -- the sweep watches real sockets
    Effect.sync(() => setInterval(() => f(performance.now()), intervalMs).unref()),
    (timer) => Effect.sync(() => clearInterval(timer)),
  )

/** The most by which a timeout may be exceeded. */
const sweepIntervalMs = 250

/** Fails where PostgreSQL answers COMMIT with ROLLBACK: a failed statement has aborted the transaction. */
const commit = (connection: SqlConnection.Connection): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) =>
    (result as PgConnection.Result).command === "ROLLBACK"
      ? Effect.fail(
          new SqlError.SqlError({
            reason: new SqlError.UnknownError({
              cause: new Error("COMMIT of an aborted transaction"),
              operation: "commit",
            }),
          }),
        )
      : Effect.void,
  )
