import { type PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, type Scope } from "effect"
import { SqlError } from "effect/sql"
import type { Sockets } from "./Sockets.ts"

type Session = PgConnection.PgConnection

interface Options {
  readonly connection: PgConnection.Config
  readonly sockets: Sockets
  readonly sessions: number
  /** The most statements pipelined on one session. */
  readonly statementsPerSession: number
  readonly acquireTimeoutMs: number
}

/** One caller's claim to a session. `isGranted`: counted against the capacity. `isHolding`: has its session. */
interface Turn {
  isGranted: boolean
  isHolding: boolean
}

interface Waiter {
  readonly turn: Turn
  readonly waitingSince: number
  readonly resume: (effect: Effect.Effect<void, SqlError.SqlError>) => void
}

/**
 * A pool with a bounded wait for a session, first come, first served. The stock pool bounds only each attempt to
 * connect, and reports a failed attempt to a single one of the waiting callers.
 */
export class Lane {
  private readonly pool: PgPool.PgPool
  private readonly capacity: number
  private readonly statementsPerSession: number
  private readonly acquireTimeoutMs: number
  private readonly waiters = new Set<Waiter>()
  private grantedCount = 0
  private heldCount = 0
  /** The number of callers that the open connections can serve, as observed so far. */
  private openCapacity = 0
  private releases = 0
  private releasesAtLastSweep = 0
  private isStalled = false

  static readonly make = ({
    connection,
    sockets,
    sessions,
    statementsPerSession,
    acquireTimeoutMs,
  }: Options) =>
    Effect.gen(function* () {
      const pool = yield* PgPool.make({
        ...connection,
        stream: () =>
          sockets.connect(() => {
            lane.openCapacity = 0
          }),
        maxConnections: sessions,
        multiplex: statementsPerSession > 1,
        multiplexConcurrency: statementsPerSession,
      })
      const lane = new Lane(
        pool,
        sessions * statementsPerSession,
        statementsPerSession,
        acquireTimeoutMs,
      )
      return lane
    })

  private constructor(
    pool: PgPool.PgPool,
    capacity: number,
    statementsPerSession: number,
    acquireTimeoutMs: number,
  ) {
    this.pool = pool
    this.capacity = capacity
    this.statementsPerSession = statementsPerSession
    this.acquireTimeoutMs = acquireTimeoutMs
  }

  /**
   * The number of callers that hold a session or wait for one. A stalled lane reports twice its capacity, so that
   * statements go to other lanes.
   */
  get load() {
    return this.isStalled ? 2 * this.capacity : this.grantedCount + this.waiters.size
  }

  /** The number of callers that hold a session. */
  get inUse() {
    return this.heldCount
  }

  /** Lends a session for one statement. */
  use<A>(
    run: (session: Session) => Effect.Effect<A, SqlError.SqlError>,
  ): Effect.Effect<A, SqlError.SqlError> {
    const turn: Turn = { isGranted: false, isHolding: false }
    const hold = (session: Session) => {
      this.hold(turn)
      return run(session)
    }
    return Effect.onExitPrimitive(
      Effect.suspend(() => {
        return this.tryGrant(turn)
          ? this.lend(hold)
          : Effect.andThen(
              this.wait(turn),
              Effect.suspend(() => this.lend(hold)),
            )
      }),
      () => {
        this.release(turn)
        return undefined
      },
    )
  }

  /** Lends a session exclusively until the scope closes. */
  readonly reserve: Effect.Effect<Session, SqlError.SqlError, Scope.Scope> = Effect.suspend(() => {
    const turn: Turn = { isGranted: false, isHolding: false }
    return Effect.acquireRelease(Effect.succeed(turn), () =>
      Effect.sync(() => this.release(turn)),
    ).pipe(
      Effect.andThen(Effect.suspend(() => (this.tryGrant(turn) ? Effect.void : this.wait(turn)))),
      Effect.andThen(
        Effect.suspend(() =>
          this.hasOpenSession ? this.pool.reserve : this.withTimeout(this.pool.reserve),
        ),
      ),
      Effect.tap(() => Effect.sync(() => this.hold(turn))),
    )
  })

  /** Removes a session from the pool. */
  invalidate(session: Session) {
    return this.pool.invalidate(session)
  }

  /**
   * Call periodically. Fails overdue waiters, and marks a lane as stalled if no caller released it since the last call.
   */
  readonly sweep = (now: number) => {
    this.isStalled = this.heldCount > 0 && this.releases === this.releasesAtLastSweep
    this.releasesAtLastSweep = this.releases
    for (const waiter of this.waiters) {
      if (now - waiter.waitingSince < this.acquireTimeoutMs) return
      this.waiters.delete(waiter)
      waiter.resume(Effect.fail(poolExhausted()))
    }
  }

  private tryGrant(turn: Turn) {
    if (this.grantedCount >= this.capacity) return false
    this.grantedCount += 1
    turn.isGranted = true
    return true
  }

  private wait(turn: Turn) {
    return Effect.callback<void, SqlError.SqlError>((resume) => {
      const waiter: Waiter = { turn, waitingSince: performance.now(), resume }
      this.waiters.add(waiter)
      return Effect.sync(() => this.waiters.delete(waiter))
    })
  }

  private hold(turn: Turn) {
    turn.isHolding = true
    this.heldCount += 1
    if (this.heldCount > this.openCapacity) {
      this.openCapacity =
        Math.ceil(this.heldCount / this.statementsPerSession) * this.statementsPerSession
    }
  }

  private release({ isGranted, isHolding }: Turn) {
    this.releases += 1
    if (isHolding) this.heldCount -= 1
    if (!isGranted) return
    for (const waiter of this.waiters) {
      this.waiters.delete(waiter)
      waiter.turn.isGranted = true
      waiter.resume(Effect.void)
      return
    }
    this.grantedCount -= 1
  }

  private lend<A>(hold: (session: Session) => Effect.Effect<A, SqlError.SqlError>) {
    return this.hasOpenSession
      ? this.pool.use(hold)
      : Effect.scoped(Effect.flatMap(this.withTimeout(this.pool.get), hold))
  }

  private get hasOpenSession() {
    return this.grantedCount <= this.openCapacity
  }

  private withTimeout<R>(session: Effect.Effect<Session, SqlError.SqlError, R>) {
    return Effect.timeoutOrElse(session, {
      duration: this.acquireTimeoutMs,
      orElse: () => Effect.fail(poolExhausted()),
    })
  }
}

const poolExhausted = () =>
  new SqlError.SqlError({
    reason: new SqlError.LockTimeoutError({
      cause: new Error("every connection of the pool is in use"),
      operation: "acquire",
    }),
  })
