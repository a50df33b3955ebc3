import { Effect } from "effect"

/** Consecutive failures of a repeated operation, of which only the first is logged. */
export class Outage {
  isOngoing = false

  /** Begins the outage and runs `log`; does nothing if it is ongoing. */
  readonly failed = (log: Effect.Effect<void>) =>
    Effect.suspend(() => {
      if (this.isOngoing) return Effect.void
      this.isOngoing = true
      return log
    })

  /** Ends the outage, so that the next failure is logged. */
  succeeded() {
    this.isOngoing = false
  }
}
