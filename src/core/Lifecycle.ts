import { Context, Layer } from "effect"

/**
 * Whether the process is on its way out. While it drains it still answers, but readiness is 503 and every answer
 * closes its connection, so that a load balancer and keep-alive clients go elsewhere before the port closes.
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    draining: boolean
    /** When what still runs is cut, in Unix ms; null until the drain begins. */
    deadline: number | null
  }
>()("plinth/core/Lifecycle") {
  static readonly layer = Layer.sync(this, () => ({ draining: false, deadline: null }))
}
