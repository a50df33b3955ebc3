import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { JobStore } from "../../src/core/jobs/Store.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { Deadly, Frozen, Killed, Stopped } from "../fixtures/processes/FaultJobs.ts"
import {
  assertOneAtATime,
  becomes,
  begins,
  enqueue,
  jobOf,
  lostLeaseMs,
  Workers,
} from "../fixtures/processes/FaultWorkers.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** The tests wait for leases to expire, so they run concurrently, each with its own kind of job. */
const together = { concurrent: true, timeout: 120_000 }

const onTheDatabase = Layer.unwrap(
  Effect.map(TestDatabase, (url) => Layer.fresh(Workers.layer(url))),
).pipe(Layer.provideMerge(TestDatabase.layer))

layer(onTheDatabase, { excludeTestServices: true, timeout: "60 seconds" })("Jobs", (it) => {
  it.effect(
    "jobs of a killed worker run again on another within 20 s, and never on two at once",
    () =>
      Effect.gen(function* () {
        const { runsOf, start } = yield* Workers
        const few = { JOBS_CONCURRENCY: "3" }
        const victim = yield* start(Killed, few)
        const three = [1, 2, 3]
        const lostOnes = yield* Effect.forEach(three, () =>
          enqueue(Killed, "sleep at first", 120_000),
        )
        for (const job of lostOnes) yield* begins(job)
        const other = yield* start(Killed, few)
        // One runs longer than its first lease.
        const others = yield* Effect.forEach([1000, 1000, 11_000], (millis) =>
          enqueue(Killed, "sleep", millis),
        )
        for (const job of others) yield* begins(job)
        const killed = yield* Clock.currentTimeMillis
        yield* victim.signal("SIGKILL")

        for (const job of [...lostOnes, ...others]) yield* becomes(job, "completed")
        for (const job of lostOnes) {
          const [first, second, ...more] = runsOf(job)
          assert.deepInclude(first, { pid: victim.pid, how: "process died" })
          assert.deepInclude(second, { pid: other.pid, attempt: 2, how: "end" })
          assert.isBelow(second?.begun ?? Number.POSITIVE_INFINITY, killed + lostLeaseMs)
          assert.deepStrictEqual(more, [])
          assertOneAtATime(runsOf(job))
        }
        for (const job of others) assert.strictEqual(runsOf(job).length, 1)
      }),
    together,
  )

  it.effect(
    "jobs that kill their worker fail after the attempts of their policy; other jobs continue",
    () =>
      Effect.gen(function* () {
        const { runsOf, start } = yield* Workers
        const deadly = yield* enqueue(Deadly, "kill its process")
        const others = yield* Effect.forEach([1, 2, 3], () => enqueue(Deadly, "nothing"))
        // Restarts the worker, as a supervisor does.
        yield* start(Deadly).pipe(
          Effect.flatMap(({ ended }) => ended),
          Effect.scoped,
          Effect.forever,
          Effect.forkScoped,
        )
        for (const job of others) yield* becomes(job, "completed")
        yield* becomes(deadly, "failed")
        const { attempts, error } = yield* jobOf(deadly)
        assert.strictEqual(attempts, 2)
        assert.strictEqual(error, "its process was lost")
        assert.deepStrictEqual(
          runsOf(deadly).map(({ attempt, how }) => [attempt, how]),
          [
            [1, "process died"],
            [2, "process died"],
          ],
        )
        yield* becomes(yield* enqueue(Deadly, "nothing"), "completed")
      }),
    together,
  )

  it.effect(
    "jobs of a stopped worker complete or are handed back at once without counting the attempt",
    () =>
      Effect.gen(function* () {
        const { runsOf, start } = yield* Workers
        const first = yield* start(Stopped)
        const short = yield* enqueue(Stopped, "sleep", 1500)
        const long = yield* enqueue(Stopped, "sleep", 120_000)
        yield* begins(short)
        yield* begins(long)
        yield* first.signal("SIGTERM")
        assert.strictEqual(yield* first.ended, 0)

        assert.deepInclude(yield* jobOf(short), { state: "completed", attempts: 1 })
        assert.deepInclude(yield* jobOf(long), { state: "waiting", attempts: 0 })
        const second = yield* start(Stopped)
        yield* begins(long, 2)
        assert.deepInclude(runsOf(long)[0], { pid: first.pid, how: "interrupted" })
        assert.deepInclude(runsOf(long)[1], { pid: second.pid, attempt: 1 })
        assertOneAtATime(runsOf(long))
      }),
    together,
  )

  it.effect(
    "jobs of a worker that hangs past its lease run on another, and it abandons them when it continues",
    () =>
      Effect.gen(function* () {
        const { runsOf, start } = yield* Workers
        const store = yield* JobStore
        // The test plays a third worker that settles too late.
        const late = yield* enqueue(Frozen, "sleep", 120_000)
        const [claim] = yield* store.claim(Frozen.identifier, 1)
        assert(claim?.id === late.id)
        const frozen = yield* start(Frozen)
        const short = yield* enqueue(Frozen, "sleep", 5000)
        const long = yield* enqueue(Frozen, "sleep", 120_000)
        yield* begins(short)
        yield* begins(long)
        yield* frozen.signal("SIGSTOP")

        const other = yield* start(Frozen)
        const both = [short, long]
        for (const job of both) yield* begins(job, 2)
        yield* begins(late)
        yield* frozen.signal("SIGCONT")
        yield* store.settle([{ claim, outcome: "completed", result: "too late" }])
        yield* store.settle([{ claim, outcome: "handed_back" }])
        assert.strictEqual((yield* store.renew([claim])).size, 0)
        const unchanged = { state: "active", attempts: 2, result: null } as const
        assert.deepInclude(yield* jobOf(late), unchanged)

        yield* eventually(Effect.sync(() => both.every((job) => runsOf(job)[0]?.how !== undefined)))
        assert.strictEqual(runsOf(long)[0]?.how, "interrupted")
        yield* becomes(short, "completed")
        assert.deepInclude(runsOf(short)[1], { pid: other.pid, attempt: 2, how: "end" })
        assert.deepInclude(yield* jobOf(short), { attempts: 2 })
        for (const job of [long, late]) assert.deepInclude(yield* jobOf(job), unchanged)
        assert.deepStrictEqual(
          [...both, late].map((job) => runsOf(job).length),
          [2, 2, 1],
        )
      }),
    together,
  )
})
