import { Context, Effect, Layer } from "effect"
import * as AiMetrics from "./metrics/AiMetrics.ts"
import * as AuthMetrics from "./metrics/AuthMetrics.ts"
import * as CacheMetrics from "./metrics/CacheMetrics.ts"
import * as DatabaseMetrics from "./metrics/DatabaseMetrics.ts"
import * as ExternalMetrics from "./metrics/ExternalMetrics.ts"
import * as HttpMetrics from "./metrics/HttpMetrics.ts"
import * as JobMetrics from "./metrics/JobMetrics.ts"
import * as PoolMetrics from "./metrics/PoolMetrics.ts"
import * as ProcessMetrics from "./metrics/ProcessMetrics.ts"
import * as Registry from "./metrics/Registry.ts"
import * as RpcMetrics from "./metrics/RpcMetrics.ts"
import * as SystemMetrics from "./metrics/SystemMetrics.ts"

/** Returns the recorders of all parts. Each part owns its metrics. */
const makeRecorders = (registry: Registry.Registry) => ({
  ...HttpMetrics.make(registry),
  ...DatabaseMetrics.make(registry),
  ...AuthMetrics.make(registry),
  ...CacheMetrics.make(registry),
  ...ExternalMetrics.make(registry),
  ...JobMetrics.make(registry),
  ...RpcMetrics.make(registry),
  ...AiMetrics.make(registry),
  ...PoolMetrics.make(registry),
  ...SystemMetrics.make(registry),
})

/**
 * The metrics of the process, in a separate registry. Recorders are plain functions, because every request calls them.
 * Times are in seconds.
 */
export class Metrics extends Context.Service<
  Metrics,
  ReturnType<typeof makeRecorders> & {
    /** Returns all metrics in the Prometheus text format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("plinth/core/telemetry/Metrics") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make),
  )
}

const make = Effect.gen(function* () {
  const registry = Registry.make()
  const recorders = makeRecorders(registry)
  yield* ProcessMetrics.make(registry)
  return Metrics.of({ ...recorders, render: Effect.sync(registry.render) })
})
