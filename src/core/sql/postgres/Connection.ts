import type { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import type { SqlConnection, SqlError } from "effect/sql"
import type { Lane } from "./Lane.ts"
import type { Watch } from "./Watch.ts"

type Session = PgConnection.PgConnection

/** The connection that SqlClient sees. Subclasses choose the session that runs a statement. */
abstract class Connection {
  protected abstract run<A>(
    sql: string,
    statement: (session: Session) => Effect.Effect<A, SqlError.SqlError>,
  ): Effect.Effect<A, SqlError.SqlError>

  execute(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    return this.rows(sql, (session) => session.query(sql, params), transform)
  }

  executeUnprepared(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    return this.rows(sql, (session) => session.query(sql, params, false), transform)
  }

  executeRaw(sql: string, params: ReadonlyArray<unknown>) {
    return this.run(sql, (session) => session.query(sql, params))
  }

  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return this.run(sql, (session) => session.queryValues(sql, params))
  }

  executeValuesUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return this.run(sql, (session) => session.queryValues(sql, params, false))
  }

  private rows(
    sql: string,
    statement: (session: Session) => Effect.Effect<PgConnection.Result, SqlError.SqlError>,
    transform: Transform,
  ) {
    return Effect.map(
      this.run(sql, statement),
      transform === undefined ? ({ rows }) => rows : ({ rows }) => transform(rows),
    )
  }
}

/** The lanes of single statements. */
export interface Lanes {
  readonly reads: ReadonlyArray<Lane>
  /** Empty in a small pool: then inserts use `exclusive`. */
  readonly inserts: ReadonlyArray<Lane>
  readonly exclusive: Lane
}

/** Runs each statement on any session: reads and inserts on a shared one, others on an exclusive one. */
export class Pooled extends Connection implements SqlConnection.Connection {
  private readonly lanes: Lanes
  private readonly watch: Watch

  constructor(lanes: Lanes, watch: Watch) {
    super()
    this.lanes = lanes
    this.watch = watch
  }

  protected run<A>(
    sql: string,
    statement: (session: Session) => Effect.Effect<A, SqlError.SqlError>,
  ) {
    const run = (session: Session) => this.watch.bounded(session, sql, statement(session))
    const { exclusive, inserts } = this.lanes
    const lane = this.laneOf(sql)
    return inserts.includes(lane)
      ? // The server has undone the insert.
        Effect.catchIf(lane.use(run), isLocked, () => exclusive.use(run))
      : lane.use(run)
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    return Stream.unwrap(
      Effect.map(this.lanes.exclusive.reserve, (session) =>
        streamOf(session, this.watch, { sql, params, transform }),
      ),
    )
  }

  /** An insert beyond those that the shared connections hold uses an exclusive one: commits then run side by side. */
  private laneOf(sql: string) {
    const { exclusive, inserts, reads } = this.lanes
    if (isRead.test(sql)) return leastLoaded(reads, readsPerConnection) ?? exclusive
    const lane = isInsert.test(sql) ? leastLoaded(inserts, insertsPerBatch) : undefined
    return lane !== undefined && lane.load < insertsPerConnection ? lane : exclusive
  }
}

/**
 * Returns the least loaded lane, counted in steps of `batch` statements: statements fill one connection up to a batch
 * before they use the next, so that they share packets.
 */
const leastLoaded = (lanes: ReadonlyArray<Lane>, batch: number) => {
  let best: Lane | undefined
  let fewest = Infinity
  for (const lane of lanes) {
    const batches = Math.floor(lane.load / batch)
    if (batches < fewest) {
      best = lane
      fewest = batches
    }
  }
  return best
}

/** The number of reads pipelined on one connection before the next connection is used. */
const readsPerConnection = 16
const insertsPerBatch = 8
/** The most inserts pipelined on one connection. Each commits by itself, so that one waits for those before it. */
export const insertsPerConnection = 16

/** Tests for the end of `lock_timeout`. */
const isLocked = ({ reason }: SqlError.SqlError) => reason._tag === "LockTimeoutError"

/** A SELECT that locks rows runs in a transaction, never here. */
const isRead = /^\s*SELECT\b/i
const isInsert = /^\s*INSERT\b/i

/** The session of a transaction or a stream. */
export class Reserved extends Connection implements SqlConnection.Connection {
  private readonly session: Session
  private readonly lane: Lane
  private readonly watch: Watch | undefined

  constructor(session: Session, lane: Lane, watch: Watch | undefined) {
    super()
    this.session = session
    this.lane = lane
    this.watch = watch
  }

  protected run<A>(
    sql: string,
    statement: (session: Session) => Effect.Effect<A, SqlError.SqlError>,
  ) {
    const execution = statement(this.session)
    return this.watch?.bounded(this.session, sql, execution) ?? execution
  }

  override execute(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    const rows = super.execute(sql, params, transform)
    if (!sql.startsWith("ROLLBACK") && !sql.startsWith("RELEASE")) return rows
    // If the statement cannot be sent, closing the session makes the server roll back.
    return Effect.catch(rows, () => Effect.as(this.lane.invalidate(this.session), []))
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transform: Transform) {
    return streamOf(this.session, this.watch, { sql, params, transform })
  }
}

type Transform = Parameters<SqlConnection.Connection["execute"]>[2]

interface Query {
  readonly sql: string
  readonly params: ReadonlyArray<unknown>
  readonly transform: Transform
}

const streamOf = (
  session: Session,
  watch: Watch | undefined,
  { sql, params, transform }: Query,
) => {
  const stream = session.stream(sql, params)
  const rows = watch?.boundedStream(stream) ?? stream
  return transform === undefined
    ? rows
    : Stream.flatMap(rows, (row) => Stream.fromIterable(transform([row])))
}
