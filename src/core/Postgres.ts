import { PgClient, type PgConnection } from "@effect/sql-pg"
import { Context, Effect, Redacted, type Scope } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { Reserved, Single } from "./PostgresConnection.ts"
import { Lane } from "./PostgresLane.ts"
import { Sockets } from "./PostgresSockets.ts"
import { types } from "./PostgresTypes.ts"
import { Watch } from "./PostgresWatch.ts"

export interface Options {
  readonly url: Redacted.Redacted
  readonly maxConnections: number
  /** Told of every statement that ran, with its start by `performance.now()`. */
  readonly observe: (sql: string, started: number) => void
}

/** Connections. `active` ones are reserved by transactions, or wait for an answer. */
export interface PoolState {
  readonly active: number
  readonly idle: number
}

/**
 * Nobody waits longer than these for a connection: to be opened, and to be handed back by others. In ms. The first is
 * shorter, so that it is told what is the matter.
 */
const connectTimeout = 1300
const acquireTimeout = 1500

/** A statement that has no answer after this many ms has none: the server may be gone, or stand still. */
const answerTimeout = 5000

/**
 * What the server itself ends, in ms. Before we would, so that it ends a statement and not its connection. Behind a
 * pooler that refuses them (PgBouncer: `ignore_startup_parameters`), `answerTimeout` is what remains.
 */
const sessionDefaults = {
  statement_timeout: "4000",
  // Longer than `deadlock_timeout`, 1 s, which finds out that waiting is useless.
  lock_timeout: "2000",
  // Transactions wait for nothing but SQL: one that idles has been forgotten, and holds its locks.
  idle_in_transaction_session_timeout: "10000",
}

/**
 * True where a transaction may take as long as it takes: none of its statements has a bound here. Those of the server
 * are its own business, by SET LOCAL.
 */
export const Unbounded = Context.Reference<boolean>("plinth/core/Postgres/Unbounded", {
  defaultValue: () => false,
})

/**
 * `SqlClient` over the pools of @effect/sql-pg, with connections of our own instead of its facade's: each statement
 * is reported and bounded in time without a fiber of its own, waits a bounded time for a connection, and fails typed
 * when the server dies inside a transaction, where the stock client dies of its own ROLLBACK.
 *
 * A third of the connections is for single reads, which share them, many under way on each; a slow one
 * holds up the few that share with it. What may wait for a lock would make those behind it wait: single writes,
 * transactions and streams have the other connections, one each.
 */
export const make = Effect.fnUntraced(function* ({
  url,
  maxConnections,
  observe,
}: Options): Effect.fn.Return<
  { readonly sql: SqlClient.SqlClient; readonly pool: () => PoolState },
  SqlError.SqlError,
  Scope.Scope | Reactivity.Reactivity
> {
  const sockets = new Sockets(Redacted.value(url))
  const watch = new Watch({ answerTimeout, observe })
  const lane = (sessions: number, perSession: number) =>
    Lane.make({
      connection: {
        url,
        connectTimeout,
        applicationName: "plinth",
        startupParameters: sessionDefaults,
        types: types(),
      },
      sockets,
      sessions,
      perSession,
      acquireTimeout,
    })
  const few = Math.max(1, Math.round(maxConnections / 3))
  const many = Math.max(1, maxConnections - few)
  const shared = yield* Effect.all(Array.from({ length: few }, () => lane(1, multiplexed)))
  const exclusive = yield* lane(many, 1)
  yield* every(sweepInterval, (now) => {
    watch.sweep(now)
    exclusive.sweep(now)
    for (const { sweep } of shared) sweep(now)
  })

  const reserve = Effect.flatMap(exclusive.reserve, (session) =>
    Effect.map(
      Unbounded,
      (unbounded) => new Reserved(session, exclusive, unbounded ? undefined : watch),
    ),
  )
  const single = new Single(shared, exclusive, watch)

  const sql = yield* SqlClient.make({
    acquirer: reserve,
    borrower: (f) => f(single),
    transactionAcquirer: reserve,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]],
  })

  const state = () => {
    const reading = shared.filter(({ inUse }) => inUse > 0).length
    const active = Math.min(sockets.open, reading + exclusive.inUse)
    return { active, idle: sockets.open - active }
  }
  return { sql, pool: state }
})

/** Statements under way on one connection. */
const multiplexed = 32

const every = (millis: number, f: (now: number) => void) =>
  Effect.acquireRelease(
    // Real time, because what is waited for comes over real sockets.
    // @effect-diagnostics-next-line globalTimersInEffect:off -- the sweep watches real sockets
    Effect.sync(() => setInterval(() => f(performance.now()), millis).unref()),
    (timer) => Effect.sync(() => clearInterval(timer)),
  )

/** How late a wait may be ended, in ms. */
const sweepInterval = 250

/** PostgreSQL answers a COMMIT of a transaction that a failed statement has aborted with ROLLBACK. */
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
