import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../src/core/sql/Database.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { Shared } from "../fixtures/processes/FaultJobs.ts"
import {
  assertOneAtATime,
  begins,
  enqueue,
  lostLeaseMs,
  Workers,
} from "../fixtures/processes/FaultWorkers.ts"
import { Victim } from "../fixtures/servers/Victim.ts"
import { sleep } from "../fixtures/data/Sleep.ts"

const ten = Array.from({ length: 10 }, (_, n) => n)

/** Ten workers, shared by all tests. */
const workers = Layer.effectDiscard(
  Effect.flatMap(Workers, ({ start }) =>
    Effect.forEach(ten, () => start(Shared), { concurrency: 2, discard: true }),
  ),
)

const onVictim = Layer.unwrap(
  Effect.map(Victim, ({ url }) => workers.pipe(Layer.provideMerge(Workers.layer(url("postgres"))))),
).pipe(Layer.provideMerge(Victim.layer))

interface Enqueued {
  readonly id: string
}

/** Asserts that all jobs completed, each with its effect, and that attempts never overlapped. */
const assertDone = Effect.fnUntraced(function* (jobs: ReadonlyArray<Enqueued>) {
  const queue = yield* JobQueue
  const sql = yield* SqlClient.SqlClient
  const { runsOf } = yield* Workers
  yield* eventually(
    queue.stats.pipe(
      Effect.map(({ active, delayed, waiting }) => active + delayed + waiting === 0),
      // A connection that was being opened while PostgreSQL hung may still time out later.
      Effect.catchTag("ServiceUnavailableError", () => Effect.succeed(false)),
    ),
    (3 * lostLeaseMs) / 1000,
  )
  assert.deepInclude(yield* queue.stats, { failed: 0, cancelled: 0 })
  const effects = yield* sql<{ job_id: string }>`SELECT job_id FROM effects`
  const done = new Set(effects.map(({ job_id }) => job_id))
  assert.deepStrictEqual(
    jobs.filter(({ id }) => !done.has(id)),
    [],
  )
  for (const job of jobs) assertOneAtATime(runsOf(job))
})

const testTimeout = { timeout: 90_000 }

layer(onVictim, { excludeTestServices: true, timeout: "90 seconds" })(
  "Jobs of ten workers on a failing PostgreSQL",
  (it) => {
    it.effect(
      "each start exactly once while it works, for a thousand jobs",
      () =>
        Effect.gen(function* () {
          const { runsOf } = yield* Workers
          const { transaction } = yield* Database
          const hundred = Array.from({ length: 100 }, () => enqueue(Shared, "nothing"))
          const jobs = yield* Effect.forEach(ten, () => transaction(Effect.all(hundred)))
          const all = jobs.flat()
          yield* assertDone(all)
          assert.deepStrictEqual(
            all.filter((job) => runsOf(job).length !== 1),
            [],
          )
          assert.isAbove(new Set(all.flatMap(runsOf).map(({ pid }) => pid)).size, 1)
        }),
      testTimeout,
    )

    it.effect(
      "all complete that were acknowledged before PostgreSQL was killed under load",
      () =>
        Effect.gen(function* () {
          const victim = yield* Victim
          const { runsOf } = yield* Workers
          const jobs: Array<Enqueued> = []
          let stopping = false
          const client = Effect.whileLoop({
            while: () => !stopping,
            body: () =>
              enqueue(Shared, "sleep", 30).pipe(
                Effect.matchEffect({
                  onSuccess: (job) => Effect.sync(() => void jobs.push(job)),
                  onFailure: () => sleep(50),
                }),
              ),
            step: () => undefined,
          })
          const clients = yield* Effect.forkChild(
            Effect.all([client, client, client, client], { concurrency: "unbounded" }),
          )
          yield* eventually(Effect.sync(() => jobs.length > 100))
          const active = yield* Effect.forEach(ten, () => enqueue(Shared, "sleep", 800))
          for (const job of active) yield* begins(job)
          yield* victim.kill
          yield* sleep(1000)
          const before = jobs.length
          yield* victim.start
          yield* eventually(Effect.sync(() => jobs.length > before + 100))
          stopping = true
          yield* Fiber.join(clients)
          yield* assertDone([...jobs, ...active])
          const ends = active.flatMap(runsOf).map(({ how }) => how)
          assert.include(ends, "fail")
          assert.strictEqual(ends.filter((how) => how === "end").length, ten.length)
        }),
      testTimeout,
    )

    it.effect(
      "stop before another worker can start them when PostgreSQL hangs, and complete in the end",
      () =>
        Effect.gen(function* () {
          const victim = yield* Victim
          const { runsOf } = yield* Workers
          const long = yield* Effect.forEach(ten, () => enqueue(Shared, "sleep at first", 120_000))
          for (const job of long) yield* begins(job)
          const load = yield* Effect.forkChild(
            Effect.forEach(Array.from({ length: 200 }), () => enqueue(Shared, "nothing"), {
              concurrency: 4,
            }).pipe(Effect.ignore),
          )
          yield* sleep(100)
          yield* Effect.acquireRelease(victim.freeze, () => victim.thaw)
          // No lease from before the hang lasts longer than ten seconds.
          yield* sleep(11_000)
          const last = long.map((job) => runsOf(job).at(-1))
          assert.deepStrictEqual(
            last.map((run) => run?.how),
            long.map(() => "interrupted" as const),
          )
          yield* victim.thaw
          yield* Fiber.join(load)
          yield* assertDone(long)
          for (const job of long) assert.strictEqual(runsOf(job).length, 2)
        }).pipe(Effect.scoped),
      testTimeout,
    )
  },
)
