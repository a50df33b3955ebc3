import { Clock, Effect, Layer, Schedule } from "effect"
import { JobStore } from "../core/JobStore.ts"
import { Leases, leaseRenewalMs } from "../core/Leases.ts"
import { Metrics } from "../core/Metrics.ts"
import { currentSteadyMillis, steadyMillis } from "../core/SteadyClock.ts"
import type { SystemState } from "../core/SystemSeries.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { JobTypes } from "../domain/Job.ts"
import { UsersRepo } from "./UsersRepo.ts"

const leaseName = "system_metrics"

/** How often it is counted, in ms, however often it is scraped. */
const interval = 15_000

/**
 * Counts what is true of the whole system, and exports it, in the one process that holds the lease. Whoever loses it
 * exports nothing from that moment on, also when he cannot be told.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const leases = yield* Leases
    const store = yield* JobStore
    const users = yield* UsersRepo
    const metrics = yield* Metrics
    const types = yield* JobTypes
    const clock = yield* Clock.Clock

    const count = Effect.gen(function* (): Effect.fn.Return<SystemState, ServiceUnavailableError> {
      const none = types.map(({ identifier }) => [identifier, 0] as const)
      const waiting = (yield* store.waiting).map(({ count, name }) => [name, count] as const)
      return { users: yield* users.countByActivity, queues: new Map([...none, ...waiting]) }
    })

    let heldUntil = -Infinity
    let counted: { readonly at: number; readonly state: SystemState } | undefined

    const lead = Effect.gen(function* () {
      const until = yield* leases.take(leaseName)
      heldUntil = until ?? -Infinity
      if (until === null) counted = undefined
      const at = yield* currentSteadyMillis
      if (until === null || (counted !== undefined && at < counted.at + interval)) return
      counted = { at, state: yield* count }
    })

    metrics.system(() => (steadyMillis(clock) < heldUntil ? counted?.state : undefined))
    yield* Effect.addFinalizer(() => {
      heldUntil = -Infinity
      return Effect.ignoreCause(leases.release(leaseName))
    })
    yield* Effect.ignoreCause(lead).pipe(
      Effect.repeat(Schedule.spaced(leaseRenewalMs)),
      Effect.forkScoped,
    )
  }),
)
