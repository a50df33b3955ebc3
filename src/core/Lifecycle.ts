import { Context, Effect, Layer } from "effect"
import { Settings } from "./Settings.ts"
import { currentSteadyMillis } from "./SteadyClock.ts"

/**
 * Whether the process is on its way out. While it drains it still answers, but readiness is 503 and every answer
 * closes its connection, so that a load balancer and keep-alive clients go elsewhere before the port closes.
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    draining: boolean
    /** When what still runs is cut, in steady ms; null until the drain begins. */
    deadline: number | null
  }
>()("plinth/core/Lifecycle") {
  static readonly layer = Layer.sync(this, () => ({ draining: false, deadline: null }))
}

/** Begins the drain, and tells its deadline. Of several parts that do, the first sets it: there is one grace for all. */
export const drain = Effect.gen(function* () {
  const lifecycle = yield* Lifecycle
  const { SHUTDOWN_GRACE_SECONDS } = yield* Settings
  lifecycle.draining = true
  lifecycle.deadline ??= (yield* currentSteadyMillis) + SHUTDOWN_GRACE_SECONDS * 1000
  return lifecycle.deadline
})
