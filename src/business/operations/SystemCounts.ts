import { Clock, Effect, Layer, Schedule } from "effect"
import { JobStore } from "../../core/jobs/Store.ts"
import { Leases, leaseRenewalMs } from "../../core/sql/Leases.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { currentSteadyMillis, steadyMillis } from "../../core/SteadyClock.ts"
import type { SystemState } from "../../core/telemetry/metrics/SystemMetrics.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { JobTypes } from "../../domain/jobs/JobKinds.ts"
import { UsersRepo } from "../users/UsersRepo.ts"

const leaseName = "system_metrics"

/** The interval between counts, independent of scrapes. */
const countIntervalMs = 15_000

/**
 * Exports metrics of the whole system, in the one process that holds the lease. Exports nothing once the lease has
 * expired, even if the process cannot reach the database to notice its loss.
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

    let leaseHeldUntilMs = -Infinity
    let counted: { readonly at: number; readonly state: SystemState } | undefined

    const countAsLeader = Effect.gen(function* () {
      const until = yield* leases.take(leaseName)
      leaseHeldUntilMs = until ?? -Infinity
      if (until === null) counted = undefined
      const at = yield* currentSteadyMillis
      if (until === null || (counted !== undefined && at < counted.at + countIntervalMs)) return
      counted = { at, state: yield* count }
    })

    metrics.system(() => (steadyMillis(clock) < leaseHeldUntilMs ? counted?.state : undefined))
    yield* Effect.addFinalizer(() => {
      leaseHeldUntilMs = -Infinity
      return Effect.ignoreCause(leases.release(leaseName))
    })
    yield* Effect.ignoreCause(countAsLeader).pipe(
      Effect.repeat(Schedule.spaced(leaseRenewalMs)),
      Effect.forkScoped,
    )
  }),
)
