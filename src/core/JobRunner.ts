import { Cause, Effect, type Fiber, Latch } from "effect"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { policyOf } from "../domain/Job.ts"
import { inHalves } from "./InHalves.ts"
import { execute, type JobHandler } from "./JobExecution.ts"
import { cancellationChannel } from "./JobQueue.ts"
import { JobSchedules } from "./JobSchedules.ts"
import { type LeasedJob, JobStore, leaseMs, type Settlement } from "./JobStore.ts"
import { jobRunner, Leases, leaseRenewalMs } from "./Leases.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { Metrics } from "./Metrics.ts"
import { PubSub } from "./PubSub.ts"
import { Settings } from "./Settings.ts"
import { currentSteadyMillis } from "./SteadyClock.ts"

/** An attempt that this process runs. */
interface Running {
  readonly claim: LeasedJob
  readonly kind: Kind
  fiber: Fiber.Fiber<void> | undefined
  /** Steady ms. Past it another process may run it. */
  leasedUntil: number
  /** Why it is interrupted: to be begun again elsewhere, or because it is not this process's any more. */
  stop: "handed_back" | "lost" | undefined
}

interface Kind {
  readonly handler: JobHandler
  free: number
}

/** How often leases are renewed, in ms: a lease outlives two renewals that fail. */
const jobLeaseRenewalMs = 3000
/** So long before the end of a lease its job is let go, in ms, which leaves it time to end; and how often that is looked at. */
const leaseSafetyMarginMs = 1500
const leaseCheckIntervalMs = 500
/** How often this process looks for what fell due, and for what nobody told it of, in ms. */
const pollIntervalMs = 1000
/** The least time between two looks, in ms: of several that fall due, a look tells the first. */
const minPollGapMs = 100
/** How long a job may take to end once it is interrupted. */
const interruptTimeout = "2 seconds"
/** Settled by one statement at most. */
const settleBatchSize = 100

/**
 * Runs jobs until the scope closes: JOBS_CONCURRENCY at once, and of each kind as many as its policy says. Told of new
 * ones as they are committed. When the process drains it takes no more; when the scope closes it waits for those that
 * run, within the grace, and hands the others back.
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
  /** Of one job there may be two: an attempt whose lease ran out has not ended yet, and this process takes the next. */
  const running = new Set<Running>()
  /** Names of which there may be more. */
  const wanted = new Set<string>()
  let settled: ReadonlyArray<{ readonly job: Running; readonly settlement: Settlement }> = []
  let stopping = false
  const mayTake = yield* Latch.make(false)
  const maySettle = yield* Latch.make(false)
  const isIdle = yield* Latch.make(true)

  const want = (name: string) => {
    if (!kinds.has(name)) return
    wanted.add(name)
    mayTake.openUnsafe()
  }

  const settle = (job: Running, settlement: Settlement) => {
    settled = [...settled, { job, settlement }]
    maySettle.openUnsafe()
  }

  const release = (job: Running) => {
    running.delete(job)
    job.kind.free += 1
    if (running.size === 0) isIdle.openUnsafe()
    mayTake.openUnsafe()
  }

  const letGo = (job: Running, reason: NonNullable<Running["stop"]>) => {
    if (job.stop !== undefined) return
    job.stop = reason
    job.fiber?.interruptUnsafe()
  }

  const lose = (id: string) => {
    for (const job of running) if (job.claim.id === id) letGo(job, "lost")
  }

  const run = Effect.fnUntraced(function* (claim: LeasedJob, kind: Kind, leasedUntil: number) {
    const job: Running = { claim, kind, fiber: undefined, leasedUntil, stop: undefined }
    lose(claim.id)
    running.add(job)
    kind.free -= 1
    isIdle.closeUnsafe()
    const progress = (percent: number) => Effect.ignore(store.progress(claim, percent))
    job.fiber = yield* execute({ claim, handler: kind.handler, metrics, progress }).pipe(
      Effect.map((settlement) => settle(job, settlement)),
      Effect.onInterrupt(() =>
        Effect.sync(() =>
          job.stop === "handed_back" ? settle(job, handBack(claim)) : release(job),
        ),
      ),
      Effect.forkDetach,
    )
    // It may have been cancelled meanwhile.
    if (job.stop !== undefined) job.fiber.interruptUnsafe()
  })

  /** As many as there is room for. Not to be interrupted: what was claimed is run, or handed back. */
  const takeOf = Effect.fnUntraced(function* (name: string, kind: Kind) {
    const freeSlots = Math.min(kind.free, JOBS_CONCURRENCY - running.size)
    if (freeSlots <= 0) return
    const leasedUntil = (yield* currentSteadyMillis) + leaseMs
    // Before the claim: what is told of while it runs, it may not see.
    wanted.delete(name)
    const claims = yield* Effect.tapCause(store.claim(name, freeSlots), () =>
      Effect.sync(() => want(name)),
    )
    if (stopping) return yield* store.settle(claims.map(handBack))
    for (const claim of claims) yield* run(claim, kind, leasedUntil)
    // Behind the others, if there may be more.
    if (claims.length === freeSlots) want(name)
  }, Effect.uninterruptible)

  const take = Effect.gen(function* () {
    yield* mayTake.await
    mayTake.closeUnsafe()
    const names = [...wanted]
    for (const name of names) {
      const kind = kinds.get(name)
      if (stopping || lifecycle.draining || kind === undefined) return
      yield* takeOf(name, kind)
    }
  })

  const settleAll = Effect.gen(function* () {
    yield* maySettle.await
    const now = settled.slice(0, settleBatchSize)
    const { cause, lost } = yield* inHalves(
      now.map(({ settlement }) => settlement),
      store.settle,
    )
    // Their leases end, and count as lost.
    if (lost > 0) {
      yield* Effect.logError("jobs could not be settled", Cause.die(cause)).pipe(
        Effect.annotateLogs({ jobs: lost }),
      )
    }
    settled = settled.slice(now.length)
    if (settled.length === 0) maySettle.closeUnsafe()
    for (const { job } of now) release(job)
  })

  const renew = Effect.gen(function* () {
    const jobs = [...running].filter(({ stop: letGo }) => letGo === undefined)
    if (jobs.length === 0) return
    const leasedUntil = (yield* currentSteadyMillis) + leaseMs
    const held = yield* store.renew(jobs.map(({ claim }) => claim))
    for (const job of jobs) {
      if (held.has(job.claim.id)) job.leasedUntil = leasedUntil
      // It may have been settled meanwhile.
      else if (running.has(job)) letGo(job, "lost")
    }
  })

  /** Nobody else may begin what still runs here. */
  const letGoOfExpired = Effect.map(currentSteadyMillis, (now) => {
    for (const job of running) {
      if (job.leasedUntil <= now + leaseSafetyMarginMs) letGo(job, "lost")
    }
  })

  let attested = -Infinity

  /** For readiness, everywhere: this process looks for jobs, and can. */
  const attest = Effect.gen(function* () {
    const now = yield* currentSteadyMillis
    if (now < attested + leaseRenewalMs) return
    yield* leases.share(jobRunner)
    attested = now
  })

  const lookAround = Effect.gen(function* () {
    if (lifecycle.draining) return yield* Effect.sleep(pollIntervalMs)
    yield* schedules.tick
    let next = pollIntervalMs
    for (const { name, wait } of yield* store.due([...kinds.keys()])) {
      if (wait === 0) want(name)
      next = Math.min(next, Math.max(wait, minPollGapMs))
    }
    yield* attest
    yield* Effect.sleep(next)
  })

  const handBackAll = Effect.gen(function* () {
    stopping = true
    const now = yield* currentSteadyMillis
    const grace = (lifecycle.deadline ?? now + SHUTDOWN_GRACE_SECONDS * 1000) - now
    yield* Effect.timeoutOption(isIdle.await, Math.max(0, grace))
    for (const job of running) letGo(job, "handed_back")
    yield* Effect.timeoutOption(isIdle.await, interruptTimeout)
  })

  yield* store.maintain(want)
  yield* subscribe(cancellationChannel, lose)
  yield* runForever("taking jobs", take)
  yield* runForever("settling jobs", settleAll)
  yield* runForever("looking for jobs", lookAround)
  yield* runForever("renewing leases", Effect.andThen(renew, Effect.sleep(jobLeaseRenewalMs)))
  // By itself: a renewal may wait for its answer until the lease is over.
  yield* runForever(
    "watching leases",
    Effect.andThen(letGoOfExpired, Effect.sleep(leaseCheckIntervalMs)),
  )
  // Runs before the fibers above are interrupted.
  yield* Effect.addFinalizer(() => handBackAll)
})

const handBack = (claim: LeasedJob): Settlement => ({ claim, outcome: "handed_back" })

/** Over and over. A failure is told when it begins, and tried again after a while. */
const runForever = (what: string, effect: Effect.Effect<void, ServiceUnavailableError>) => {
  let isFailing = false
  const failed = (cause: Cause.Cause<ServiceUnavailableError>) => {
    const log = isFailing
      ? Effect.void
      : Effect.logWarning("jobs are held up", cause).pipe(Effect.annotateLogs({ what }))
    isFailing = true
    return Effect.andThen(log, Effect.sleep("500 millis"))
  }
  return Effect.matchCauseEffect(effect, {
    onSuccess: () => Effect.sync(() => void (isFailing = false)),
    onFailure: failed,
  }).pipe(Effect.forever, Effect.forkScoped)
}
