import { type IpcSocketConnectOpts, Socket, type TcpSocketConnectOpts } from "node:net"
import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, Redacted, type Scope, Stream } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { types } from "./PostgresTypes.ts"

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

/** Nobody waits longer than these for a connection: to be opened, and to be handed back by others. In ms. */
const connectTimeout = 1500
const acquireTimeout = 1500

/**
 * `SqlClient` over the pools of @effect/sql-pg, with a connection of our own instead of its facade's: it reports each
 * statement without a step more, waits a bounded time for a connection, and fails typed when the server dies inside
 * a transaction, where the stock client dies of its own ROLLBACK.
 *
 * A third of the connections is for single statements, which share them, many under way on each. Transactions and
 * streams have the others, one each: in one pool, a transaction would wait for the slowest statement that happens to
 * be under way on the connection it is given.
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
  const common = {
    url,
    stream: () => sockets.open(),
    connectTimeout,
    applicationName: "plinth",
    types: types(),
  }
  const few = Math.max(1, Math.round(maxConnections / 3))
  const many = Math.max(1, maxConnections - few)
  const shared = yield* PgPool.make({ ...common, maxConnections: few, multiplex: true })
  const exclusive = yield* PgPool.make({ ...common, maxConnections: many })

  let reserved = 0
  const reservation = Effect.acquireRelease(
    Effect.sync(() => (reserved += 1)),
    () => Effect.sync(() => (reserved -= 1)),
  )
  const reserve = Effect.suspend(() =>
    reserved < many
      ? exclusive.reserve
      : Effect.timeoutOrElse(exclusive.reserve, {
          duration: acquireTimeout,
          orElse: () => Effect.fail(exhausted()),
        }),
  ).pipe(
    Effect.tap(reservation),
    Effect.map((session) => new Connection(session, observe, exclusive.invalidate)),
  )

  const sql = yield* SqlClient.make({
    acquirer: reserve,
    borrower: (f) =>
      shared.use((session) => f(new Connection(session, observe, shared.invalidate))),
    transactionAcquirer: reserve,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]],
  })

  const state = () => {
    const active = Math.min(sockets.size, Math.max(reserved, sockets.waiting))
    return { active, idle: sockets.size - active }
  }
  return { sql, pool: state }
})

/** One session as SqlClient wants it. */
class Connection implements SqlConnection.Connection {
  private readonly session: PgConnection.PgConnection
  private readonly observe: Options["observe"]
  private readonly retire: PgPool.PgPool["invalidate"]

  constructor(
    session: PgConnection.PgConnection,
    observe: Options["observe"],
    retire: PgPool.PgPool["invalidate"],
  ) {
    this.session = session
    this.observe = observe
    this.retire = retire
  }

  execute(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    const rows = this.rows(sql, params, transform, true)
    return sql.startsWith("ROLLBACK") || sql.startsWith("RELEASE") ? this.undone(rows) : rows
  }

  executeUnprepared(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    return this.rows(sql, params, transform, false)
  }

  executeRaw(sql: string, params: ReadonlyArray<unknown>) {
    return this.watched(sql, this.session.query(sql, params), same)
  }

  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return this.watched(sql, this.session.queryValues(sql, params), same)
  }

  executeValuesUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return this.watched(sql, this.session.queryValues(sql, params, false), same)
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    const rows = this.session.stream(sql, params)
    return transform === undefined
      ? rows
      : Stream.flatMap(rows, (row) => Stream.fromIterable(transform([row])))
  }

  private rows(
    sql: string,
    params: ReadonlyArray<unknown>,
    transform: Transform,
    prepare: boolean,
  ) {
    const rows = this.watched(sql, this.session.query(sql, params, prepare), rowsOf)
    return transform === undefined ? rows : Effect.map(rows, transform)
  }

  /** The end of a transaction that cannot be told to the server is the end of the session, which rolls it back. */
  private undone(statement: Effect.Effect<ReadonlyArray<PgConnection.Row>, SqlError.SqlError>) {
    return Effect.catch(statement, () => Effect.as(this.retire(this.session), []))
  }

  private watched<A, B>(
    sql: string,
    query: Effect.Effect<A, SqlError.SqlError>,
    f: (result: A) => B,
  ): Effect.Effect<B, SqlError.SqlError> {
    const started = performance.now()
    return Effect.map(query, (result) => {
      this.observe(sql, started)
      return f(result)
    })
  }
}

type Transform = Parameters<SqlConnection.Connection["execute"]>[2]

const same = <A>(value: A) => value
const rowsOf = ({ rows }: PgConnection.Result) => rows

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

const exhausted = () =>
  new SqlError.SqlError({
    reason: new SqlError.LockTimeoutError({
      cause: new Error("Every connection of the pool is taken"),
      operation: "acquire",
    }),
  })

/** The sockets of the pool, made here because the pool does not tell how many it has open. */
class Sockets {
  private readonly all = new Map<Socket, { sent: number }>()
  private readonly address: TcpSocketConnectOpts | IpcSocketConnectOpts

  constructor(address: string) {
    const url = new URL(address)
    const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname)
    const port = Number(url.searchParams.get("port") ?? (url.port || 5432))
    this.address = host.startsWith("/")
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host: host.replace(/^\[(.*)\]$/, "$1"), port }
  }

  open(): Socket {
    const socket = new BatchingSocket()
    socket.setNoDelay(true).setKeepAlive(true, 30_000).connect(this.address)
    const state = { sent: 0 }
    this.all.set(socket, state)
    socket.on("data", () => (state.sent = socket.bytesWritten))
    socket.once("close", () => this.all.delete(socket))
    return socket
  }

  get size() {
    return this.all.size
  }

  /** Those whose last word was ours. */
  get waiting() {
    let count = 0
    for (const [socket, { sent }] of this.all) if (socket.bytesWritten > sent) count += 1
    return count
  }
}

/**
 * What the requests of one turn of the event loop have to say to the server, said at once: statements of several
 * share a connection, and a write of its own for each costs more than the statement.
 */
class BatchingSocket extends Socket {
  private batching = false
  private readonly send = () => {
    this.batching = false
    this.uncork()
  }

  override write(chunk: string | Uint8Array, ...rest: ReadonlyArray<never>): boolean {
    if (!this.batching) {
      this.batching = true
      this.cork()
      setImmediate(this.send)
    }
    return super.write(chunk, ...rest)
  }
}
