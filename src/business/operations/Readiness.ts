import { Clock, Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { jobRunner, Leases } from "../../core/sql/Leases.ts"
import { Lifecycle } from "../../core/Lifecycle.ts"
import { Redis } from "../../core/shared/Redis.ts"
import { now, type Timestamp } from "../../domain/Fields.ts"

export interface Component {
  readonly status: "healthy" | "unhealthy" | "not_configured"
  /** The duration of the check in ms, to two decimals; null when not configured. */
  readonly latency_ms: number | null
}

export interface Report {
  readonly status: "healthy" | "degraded" | "unhealthy"
  readonly timestamp: Timestamp
  readonly components: {
    readonly database: Component
    readonly cache: Component
    readonly jobs: Component
  }
}

/**
 * Reports whether this process should receive requests. It is unhealthy while it drains or its database is unreachable.
 * It is degraded while Redis is unreachable (it then counts and caches in memory) or while no process runs jobs.
 */
export class Readiness extends Context.Service<
  Readiness,
  { readonly check: Effect.Effect<Report> }
>()("plinth/business/operations/Readiness") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { ping } = yield* Database
      const redis = yield* Redis
      const leases = yield* Leases
      const lifecycle = yield* Lifecycle

      /** Succeeds while any process runs jobs. */
      const jobRunnerCheck = Effect.filterOrFail(leases.isHeld(jobRunner), (isHeld) => isHeld)

      const check = Effect.gen(function* (): Effect.fn.Return<Report> {
        const [database, cache, jobs] = yield* Effect.all(
          [
            runCheck(ping),
            redis === null ? Effect.succeed(notConfigured) : runCheck(redis.ping),
            runCheck(jobRunnerCheck),
          ],
          { concurrency: "unbounded" },
        )
        const isDown = database.status === "unhealthy" || lifecycle.draining
        const isDegraded = [cache, jobs].some(({ status }) => status === "unhealthy")
        return {
          status: isDown ? "unhealthy" : isDegraded ? "degraded" : "healthy",
          timestamp: yield* now,
          components: { database, cache, jobs },
        }
      })

      return Readiness.of({ check })
    }),
  )
}

const notConfigured: Component = { status: "not_configured", latency_ms: null }

/** A check that takes longer has failed. */
const checkTimeout = "1500 millis"

const runCheck = <E>(check: Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeNanos
    const status = yield* Effect.match(Effect.timeout(check, checkTimeout), {
      onSuccess: () => "healthy" as const,
      onFailure: () => "unhealthy" as const,
    })
    const elapsed = (yield* Clock.currentTimeNanos) - started
    return { status, latency_ms: Number(elapsed / 10_000n) / 100 }
  })
