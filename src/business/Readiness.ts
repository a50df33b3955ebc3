import { Clock, Context, Effect, Layer } from "effect"
import { Database } from "../core/Database.ts"
import { jobRunner, Leases } from "../core/Leases.ts"
import { Lifecycle } from "../core/Lifecycle.ts"
import { Redis } from "../core/Redis.ts"
import { now, type Timestamp } from "../domain/Fields.ts"

export interface Component {
  readonly status: "healthy" | "unhealthy" | "not_configured"
  /** How long the check took; null when there is nothing to check. */
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
 * Whether this process should get requests: not while it drains, nor without its database. Without its Redis it is
 * degraded: it goes on, counting and caching for itself. So it is while no process does jobs: they wait.
 */
export class Readiness extends Context.Service<
  Readiness,
  { readonly check: Effect.Effect<Report> }
>()("plinth/business/Readiness") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { ping } = yield* Database
      const redis = yield* Redis
      const leases = yield* Leases
      const lifecycle = yield* Lifecycle

      /** By any process. */
      const isWorked = Effect.filterOrFail(leases.isHeld(jobRunner), (held) => held)

      const check = Effect.gen(function* (): Effect.fn.Return<Report> {
        const [database, cache, jobs] = yield* Effect.all(
          [
            component(ping),
            redis === null ? Effect.succeed(notConfigured) : component(redis.ping),
            component(isWorked),
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

/** A check that takes longer than this is a failed one. */
const checkTimeout = "1500 millis"

const component = <E>(check: Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeNanos
    const status = yield* Effect.match(Effect.timeout(check, checkTimeout), {
      onSuccess: () => "healthy" as const,
      onFailure: () => "unhealthy" as const,
    })
    const elapsed = (yield* Clock.currentTimeNanos) - started
    return { status, latency_ms: Number(elapsed / 10_000n) / 100 }
  })
