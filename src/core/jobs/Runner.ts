import { Cause, Effect, type Fiber, Latch } from "effect"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { policyOf } from "../../domain/jobs/Job.ts"
import { inHalves } from "../sql/InHalves.ts"
import { execute, type JobHandler } from "./Execution.ts"
import { cancellationChannel } from "./Queue.ts"
import { JobSchedules } from "./Schedules.ts"
import { type LeasedJob, JobStore, leaseMs, type Settlement } from "./Store.ts"
import { jobRunner, Leases, leaseRenewalMs } from "../sql/Leases.ts"
import { Lifecycle } from "../Lifecycle.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { Outage } from "../telemetry/Outage.ts"
import { PubSub } from "../shared/PubSub.ts"
import { Settings } from "../settings/Settings.ts"
import { currentSteadyMillis } from "../SteadyClock.ts"

/** An attempt that this process runs. */
interface Running {
  readonly claim: LeasedJob
  readonly kind: Kind
  fiber: Fiber.Fiber<void> | undefined
  /** In steady ms. After it, another process may run the job. */
  leasedUntil: number
  /** The reason for its interruption: it is handed back to other processes, or its lease was lost. */
  stopReason: "handed_back" | "lost" | undefined
}

interface Kind {
  readonly handler: JobHandler
  free: number
}

/** The interval of lease renewals. A lease survives two failed renewals. */
const jobLeaseRenewalMs = 3000
/** A job is interrupted this long before its lease expires, so that it can end in time. Checked at this interval. */
const leaseSafetyMarginMs = 1500
const leaseCheckIntervalMs = 500
/** The longest time between two polls for due jobs and for jobs that were enqueued without a notification. */
const pollIntervalMs = 1000
/** The least time between two polls: each poll reports only the next due job of a name. */
const minPollGapMs = 100
/** The time that interrupted jobs get to end at shutdown. */
const interruptTimeout = "2 seconds"
/** The most settlements written by one statement. */
const settleBatchSize = 100

/**
 * Runs jobs until the scope closes: at most JOBS_CONCURRENCY in parallel, and per type at most the concurrency of its
 * policy. It is notified of new jobs as they are committed. A draining process takes no more jobs. When the scope
 * closes, it waits for running jobs within the shutdown grace, and hands back those that have not ended.
 */
export const start = Effect.fnUntraced(function* (handlers: ReadonlyArray<JobHandler>) {
  const store = yield* JobStore
  const schedules = yield* JobSchedules
  const leases = yield* Leases
  const metrics = yield* Metrics
  const lifecycle = yield* Lifecycle
  const { subscribe } = yield* PubSub
  const { JOBS_CONCURRENCY, SHUTDOWN_GRACE_SECONDS } = yield* Settings

  const kinds = new Map<string, Kind>(
    handlers.map((handler) => [
      handler.type.identifier,
      { handler, free: policyOf(handler.type).concurrency },
    ]),
  )
  /** May contain two attempts of one job: one whose lease expired but which has not ended yet, and the next one. */
  const running = new Set<Running>()
  /** Names of jobs that may be waiting. */
  const wantedNames = new Set<string>()
  let unsettled: ReadonlyArray<{ readonly job: Running; readonly settlement: Settlement }> = []
  let isStopping = false
  const mayTake = yield* Latch.make(false)
  const maySettle = yield* Latch.make(false)
  const isIdle = yield* Latch.make(true)

  const markWanted = (name: string) => {
    if (!kinds.has(name)) return
    wantedNames.add(name)
    mayTake.openUnsafe()
  }

  const settle = (job: Running, settlement: Settlement) => {
    unsettled = [...unsettled, { job, settlement }]
    maySettle.openUnsafe()
  }

  const release = (job: Running) => {
    running.delete(job)
    job.kind.free += 1
    if (running.size === 0) isIdle.openUnsafe()
    mayTake.openUnsafe()
  }

  const stop = (job: Running, reason: NonNullable<Running["stopReason"]>) => {
    if (job.stopReason !== undefined) return
    job.stopReason = reason
    job.fiber?.interruptUnsafe()
  }

  const stopLost = (id: string) => {
    for (const job of running) if (job.claim.id === id) stop(job, "lost")
  }

  const run = Effect.fnUntraced(function* (claim: LeasedJob, kind: Kind, leasedUntil: number) {
    const job: Running = { claim, kind, fiber: undefined, leasedUntil, stopReason: undefined }
    stopLost(claim.id)
    running.add(job)
    kind.free -= 1
    isIdle.closeUnsafe()
    const progress = (percent: number) => Effect.ignore(store.progress(claim, percent))
    job.fiber = yield* execute({ claim, handler: kind.handler, metrics, progress }).pipe(
      Effect.map((settlement) => settle(job, settlement)),
      Effect.onInterrupt(() =>
        Effect.sync(() =>
          job.stopReason === "handed_back" ? settle(job, handBack(claim)) : release(job),
        ),
      ),
      Effect.forkDetach,
    )
    // The job may have been cancelled meanwhile.
    if (job.stopReason !== undefined) job.fiber.interruptUnsafe()
  })

  /** Claims as many jobs as there are free slots. Uninterruptible: every claimed job is run or handed back. */
  const takeKind = Effect.fnUntraced(function* (name: string, kind: Kind) {
    const freeSlots = Math.min(kind.free, JOBS_CONCURRENCY - running.size)
    if (freeSlots <= 0) return
    const leasedUntil = (yield* currentSteadyMillis) + leaseMs
    // Deleted before the claim: it may miss jobs enqueued while it runs, and their notification adds the name again.
    wantedNames.delete(name)
    const claims = yield* Effect.tapCause(store.claim(name, freeSlots), () =>
      Effect.sync(() => markWanted(name)),
    )
    if (isStopping) return yield* store.settle(claims.map(handBack))
    for (const claim of claims) yield* run(claim, kind, leasedUntil)
    // There may be more jobs of this name: it is added again, behind the other names.
    if (claims.length === freeSlots) markWanted(name)
  }, Effect.uninterruptible)

  const takeWanted = Effect.gen(function* () {
    yield* mayTake.await
    mayTake.closeUnsafe()
    const names = [...wantedNames]
    for (const name of names) {
      const kind = kinds.get(name)
      if (isStopping || lifecycle.draining || kind === undefined) return
      yield* takeKind(name, kind)
    }
  })

  const settleAll = Effect.gen(function* () {
    yield* maySettle.await
    const batch = unsettled.slice(0, settleBatchSize)
    const { cause, lost } = yield* inHalves(
      batch.map(({ settlement }) => settlement),
      store.settle,
    )
    // The leases of these attempts will expire, and then each attempt counts as lost.
    if (lost > 0) {
      yield* Effect.logError("job settlement failed", Cause.die(cause)).pipe(
        Effect.annotateLogs({ jobs: lost }),
      )
    }
    unsettled = unsettled.slice(batch.length)
    if (unsettled.length === 0) maySettle.closeUnsafe()
    for (const { job } of batch) release(job)
  })

  const renew = Effect.gen(function* () {
    const jobs = [...running].filter(({ stopReason }) => stopReason === undefined)
    if (jobs.length === 0) return
    const leasedUntil = (yield* currentSteadyMillis) + leaseMs
    const renewedIds = yield* store.renew(jobs.map(({ claim }) => claim))
    for (const job of jobs) {
      if (renewedIds.has(job.claim.id)) job.leasedUntil = leasedUntil
      // The job may have been settled meanwhile.
      else if (running.has(job)) stop(job, "lost")
    }
  })

  /** Stops jobs whose lease is about to expire, before another process may run them. */
  const stopExpired = Effect.map(currentSteadyMillis, (now) => {
    for (const job of running) {
      if (job.leasedUntil <= now + leaseSafetyMarginMs) stop(job, "lost")
    }
  })

  let announcedAt = -Infinity

  /** Records for readiness checks of all processes that this process runs jobs and can poll them. */
  const announce = Effect.gen(function* () {
    const now = yield* currentSteadyMillis
    if (now < announcedAt + leaseRenewalMs) return
    yield* leases.share(jobRunner)
    announcedAt = now
  })

  const poll = Effect.gen(function* () {
    if (lifecycle.draining) return yield* Effect.sleep(pollIntervalMs)
    yield* schedules.tick
    let delayMs = pollIntervalMs
    for (const { name, waitMs } of yield* store.due([...kinds.keys()])) {
      if (waitMs === 0) markWanted(name)
      delayMs = Math.min(delayMs, Math.max(waitMs, minPollGapMs))
    }
    yield* announce
    yield* Effect.sleep(delayMs)
  })

  const handBackAll = Effect.gen(function* () {
    isStopping = true
    const now = yield* currentSteadyMillis
    const graceMs = (lifecycle.deadlineMs ?? now + SHUTDOWN_GRACE_SECONDS * 1000) - now
    yield* Effect.timeoutOption(isIdle.await, Math.max(0, graceMs))
    for (const job of running) stop(job, "handed_back")
    yield* Effect.timeoutOption(isIdle.await, interruptTimeout)
  })

  yield* store.maintain(markWanted)
  yield* subscribe(cancellationChannel, stopLost)
  yield* runForever("taking jobs", takeWanted)
  yield* runForever("settling jobs", settleAll)
  yield* runForever("looking for jobs", poll)
  yield* runForever("renewing leases", Effect.andThen(renew, Effect.sleep(jobLeaseRenewalMs)))
  // Separate from the renewal, which may wait for its answer until the lease has expired.
  yield* runForever(
    "watching leases",
    Effect.andThen(stopExpired, Effect.sleep(leaseCheckIntervalMs)),
  )
  // Runs before the fibers above are interrupted.
  yield* Effect.addFinalizer(() => handBackAll)
})

const handBack = (claim: LeasedJob): Settlement => ({ claim, outcome: "handed_back" })

/** Repeats the effect until the scope closes, 500 ms after a failure. Logs only the first of consecutive failures. */
const runForever = (what: string, effect: Effect.Effect<void, ServiceUnavailableError>) => {
  const outage = new Outage()
  const logStall = (cause: Cause.Cause<ServiceUnavailableError>) =>
    Effect.logWarning("job loop stalled", cause).pipe(Effect.annotateLogs({ what }))
  return Effect.matchCauseEffect(effect, {
    onSuccess: () => Effect.sync(() => outage.succeeded()),
    onFailure: (cause) =>
      Effect.andThen(outage.failed(logStall(cause)), Effect.sleep("500 millis")),
  }).pipe(Effect.forever, Effect.forkScoped)
}
