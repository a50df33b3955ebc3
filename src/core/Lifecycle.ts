import { Context, Effect, Layer } from "effect"
import { Settings } from "./settings/Settings.ts"
import { currentSteadyMillis } from "./SteadyClock.ts"

/**
 * The shutdown state of the process. While it drains, it still answers requests, but readiness is 503 and every
 * response closes its connection, so that load balancers and keep-alive clients switch before the port closes.
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    draining: boolean
    /** The time at which remaining work is interrupted, in steady ms; null until the drain begins. */
    deadlineMs: number | null
  }
>()("plinth/core/Lifecycle") {
  static readonly layer = Layer.sync(this, () => ({ draining: false, deadlineMs: null }))
}

/** Begins the drain and returns its deadline, which the first call sets: all parts share one grace period. */
export const drain = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const { SHUTDOWN_GRACE_SECONDS } = yield* Settings
  lifecycle.draining = true
  lifecycle.deadlineMs ??= (yield* currentSteadyMillis) + SHUTDOWN_GRACE_SECONDS * 1000
  return lifecycle.deadlineMs
})
