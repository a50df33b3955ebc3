import { assert, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { type LeasedJob, JobStore, leaseMs } from "../../../src/core/jobs/Store.ts"
import { drain } from "../../../src/core/Lifecycle.ts"
import { currentSteadyMillis, steady } from "../../../src/core/SteadyClock.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"
import { JobId } from "../../../src/domain/jobs/Job.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { jobs, running, Task, Tasks } from "../../fixtures/data/Jobs.ts"

/** A claim that signals when it has claimed jobs, and returns them only after `released`. */
const heldClaims = Effect.gen(function* () {
  const store = yield* JobStore
  const claimed = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const claim: typeof store.claim = (name, limit) =>
    Effect.tap(store.claim(name, limit), () =>
      Effect.andThen(Deferred.succeed(claimed, undefined), Deferred.await(released)),
    )
  return { claim, claimed, released }
})

layer(jobs(), { excludeTestServices: true })("Job worker", (it) => {
  it.effect("starts a job that it was notified of during a claim, without polling", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const { claim, claimed, released } = yield* heldClaims
      yield* running(tasks).pipe(
        Effect.provideService(JobStore, { ...store, due: () => Effect.succeed([]), claim }),
      )
      yield* queue.enqueue(Task, { task: "first" })
      yield* Deferred.await(claimed)
      yield* queue.enqueue(Task, { task: "second" })
      yield* Deferred.succeed(released, undefined)
      yield* eventually(Effect.sync(() => tasks.begun.length === 2))
      assert.deepStrictEqual(
        tasks.begun.map(({ task }) => task),
        ["first", "second"],
      )
    }),
  )

  it.effect("hands back a job whose claim ends after shutdown began, without starting it", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const { claim, claimed, released } = yield* heldClaims
      const { stop } = yield* running(tasks).pipe(
        Effect.provideService(JobStore, { ...store, claim }),
      )
      const { id } = yield* queue.enqueue(Task, { task: "late" })
      yield* Deferred.await(claimed)
      const stopped = yield* Effect.forkScoped(stop, { startImmediately: true })
      yield* Deferred.succeed(released, undefined)
      yield* Fiber.join(stopped)
      assert.deepInclude(yield* queue.get(id), { state: "waiting", attempts: 0 })
      assert.deepStrictEqual(tasks.begun, [])
      yield* queue.cancel(id)
    }),
  )

  it.effect("settles the other jobs of a batch when one of them cannot be settled", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const [released, together] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const batches: Array<ReadonlyArray<string>> = []
      let refused = ""
      for (const task of ["one", "refused", "other"])
        tasks.when(task, () => Deferred.await(released))
      yield* running(tasks).pipe(
        Effect.provideService(JobStore, {
          ...store,
          settle: (settlements) => {
            const ids = settlements.map(({ claim }) => claim.id)
            batches.push(ids)
            if (ids.includes(JobId.make(refused))) return Effect.die(new Error("refused"))
            const first = batches.length === 1 ? Deferred.await(together) : Effect.void
            return Effect.andThen(first, store.settle(settlements))
          },
        }),
      )
      yield* queue.enqueue(Task, { task: "first" })
      const ids = yield* Effect.forEach(["one", "refused", "other"], (task) =>
        Effect.map(queue.enqueue(Task, { task }), ({ id }) => id),
      )
      refused = ids[1] ?? ""
      yield* eventually(Effect.sync(() => tasks.begun.length === 4 && batches.length === 1))
      yield* Deferred.succeed(released, undefined)
      yield* Effect.sleep("50 millis")
      yield* Deferred.succeed(together, undefined)
      for (const id of ids.filter((id) => id !== refused)) {
        yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "completed"))
      }
      assert.deepStrictEqual(batches[1]?.toSorted(), ids.toSorted())
      // Its lease will expire, and it will run again.
      assert.deepInclude(yield* queue.get(refused), { state: "active" })
      yield* queue.cancel(refused)
    }),
  )

  it.effect("keeps renewing a job it claimed again before the previous attempt was settled", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const sql = yield* SqlClient.SqlClient
      const ended = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      const renewed: Array<LeasedJob> = []
      const release = yield* Deferred.make<void>()
      tasks.when("again", ({ attempt }) => (attempt === 1 ? Effect.void : Deferred.await(release)))
      yield* running(tasks).pipe(
        Effect.provideService(JobStore, {
          ...store,
          settle: (settlements) =>
            Effect.andThen(
              Effect.andThen(Deferred.succeed(ended, undefined), Deferred.await(released)),
              store.settle(settlements),
            ),
          renew: (claims) => {
            renewed.push(...claims)
            return store.renew(claims)
          },
        }),
      )
      const { id } = yield* queue.enqueue(Task, { task: "again" })
      yield* Deferred.await(ended)
      // Expires the lease.
      yield* sql`UPDATE jobs SET leased_until = created_at WHERE id = ${id}`
      yield* eventually(Effect.sync(() => tasks.begun.length === 2))
      yield* Deferred.succeed(released, undefined)
      renewed.length = 0
      yield* eventually(Effect.sync(() => renewed.some(({ attempt }) => attempt === 2)))
      yield* Deferred.succeed(release, undefined)
      yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "completed"))

      // All four slots are free again.
      const open = yield* Deferred.make<void>()
      const four = ["a", "b", "c", "d"]
      for (const task of four) {
        tasks.when(task, () => Deferred.await(open))
        yield* queue.enqueue(Task, { task })
      }
      yield* eventually(Effect.sync(() => tasks.begun.length === 2 + four.length))
      yield* Deferred.succeed(open, undefined)
    }),
  )

  it.effect("reacts to cancelled and retried jobs without polling", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const interrupted = yield* Deferred.make<void>()
      tasks.when("stubborn", ({ attempt }) =>
        attempt === 1
          ? Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          : Effect.void,
      )
      yield* running(tasks).pipe(
        Effect.provideService(JobStore, {
          ...store,
          due: () => Effect.succeed([]),
          renew: (claims) => Effect.succeed(new Set(claims.map(({ id }) => id))),
        }),
      )
      const { id } = yield* queue.enqueue(Task, { task: "stubborn" })
      yield* eventually(Effect.sync(() => tasks.begun.length === 1))
      yield* queue.cancel(id)
      yield* Deferred.await(interrupted)
      yield* queue.retry(id)
      yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "completed"))
    }),
  )

  it.effect("retries maintenance of lost attempts and old jobs after a failure", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const sql = yield* SqlClient.SqlClient
      const old = yield* queue.enqueue(Task, { task: "old" })
      const lost = yield* queue.enqueue(Task, { task: "lost" })
      yield* store.claim("test_task", 2)
      yield* queue.cancel(old.id)
      yield* sql`UPDATE jobs SET finished_at = '2020-01-01T00:00:00.000Z' WHERE id = ${old.id}`
      yield* sql`UPDATE jobs SET leased_until = created_at WHERE id = ${lost.id}`
      yield* sql`ALTER TABLE jobs RENAME COLUMN leased_until TO renamed`
      yield* running(tasks)
      yield* eventually(Effect.map(Effect.exit(queue.get(old.id)), Exit.isFailure))
      yield* sql`ALTER TABLE jobs RENAME COLUMN renamed TO leased_until`
      yield* eventually(Effect.map(queue.get(lost.id), ({ state }) => state === "completed"))
      assert.deepInclude(yield* queue.get(lost.id), { attempts: 2 })
    }),
  )
})

/** A system clock that can step back while steady time continues, so that sleepers wake on time. */
const steppingClock = Effect.clockWith((clock) => {
  const state = { back: 0 }
  const now = () => clock.currentTimeMillisUnsafe() - state.back
  const stepping: Clock.Clock = {
    ...steady(clock),
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
  }
  return Effect.succeed({ state, within: Effect.provideService(Clock.Clock, stepping) })
})

/** Advances the clock until the condition holds; returns the steady time this took, in ms. */
const timeUntil = Effect.fnUntraced(function* (condition: () => boolean) {
  const before = yield* currentSteadyMillis
  yield* eventually(Effect.andThen(TestClock.adjust("500 millis"), Effect.sync(condition)))
  return (yield* currentSteadyMillis) - before
})

const anHour = 3_600_000

layer(jobs())("Job worker, when the system clock steps back", (it) => {
  it.effect("interrupts a job it cannot renew before another worker may start it", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const { state, within } = yield* steppingClock
      let isInterrupted = false
      tasks.when("held", () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (isInterrupted = true))),
      )
      yield* within(
        Effect.provideService(running(tasks), JobStore, {
          ...store,
          renew: () => Effect.fail(new ServiceUnavailableError({ service: "database" })),
        }),
      )
      yield* queue.enqueue(Task, { task: "held" })
      yield* eventually(Effect.sync(() => tasks.begun.length === 1))
      state.back = anHour
      assert.isBelow(yield* timeUntil(() => isInterrupted), leaseMs)
    }),
  )

  it.effect("still stops within the grace period", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const { state, within } = yield* steppingClock
      tasks.when("stubborn", () => Effect.never)
      const { stop } = yield* within(running(tasks))
      yield* queue.enqueue(Task, { task: "stubborn" })
      yield* eventually(Effect.sync(() => tasks.begun.length === 1))
      yield* within(drain)
      state.back = anHour
      let hasStopped = false
      yield* Effect.forkScoped(
        within(Effect.tap(stop, () => Effect.sync(() => (hasStopped = true)))),
      )
      // One second of grace, plus the time jobs get for their interruption.
      assert.isAtMost(yield* timeUntil(() => hasStopped), 3500)
    }),
  )
})
