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

/** The interval between two counts of the system. Scrapes do not trigger counts. */
const countIntervalMs = 15_000

/**
 * Exports metrics of the whole system, in the one process that holds the lease. Exports nothing once the lease has
 * expired, even if the process cannot reach the database and so does not notice that it lost the lease.
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
      const zeroCounts = types.map(({ identifier }) => [identifier, 0] as const)
      const waiting = (yield* store.waiting).map(({ count, name }) => [name, count] as const)
      return { users: yield* users.countByActivity, queues: new Map([...zeroCounts, ...waiting]) }
    })

    let leaseHeldUntilMs = -Infinity
    let lastCount: { readonly countedAtMs: number; readonly state: SystemState } | undefined

    const countAsLeader = Effect.gen(function* () {
      const heldUntilMs = yield* leases.take(leaseName)
      leaseHeldUntilMs = heldUntilMs ?? -Infinity
      if (heldUntilMs === null) lastCount = undefined
      const nowMs = yield* currentSteadyMillis
      if (
        heldUntilMs === null ||
        (lastCount !== undefined && nowMs < lastCount.countedAtMs + countIntervalMs)
      )
        return
      lastCount = { countedAtMs: nowMs, state: yield* count }
    })

    metrics.system(() => (steadyMillis(clock) < leaseHeldUntilMs ? lastCount?.state : undefined))
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
