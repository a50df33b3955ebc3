import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Database } from "../../../src/core/sql/Database.ts"
import { type EnqueueOptions, JobQueue } from "../../../src/core/jobs/Queue.ts"
import { JobStore } from "../../../src/core/jobs/Store.ts"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { Broken, jobs, running, Task, Tasks } from "../../fixtures/data/Jobs.ts"

const enqueue = (task: string, options?: EnqueueOptions) =>
  Effect.flatMap(JobQueue, (queue) => queue.enqueue(Task, { task }, options))

const becomes = (state: string, { id }: Effect.Success<ReturnType<typeof enqueue>>) =>
  Effect.flatMap(JobQueue, (queue) =>
    eventually(Effect.map(queue.get(id), (job) => job.state === state)),
  )

const names = {
  enqueued: 'background_jobs_total{job_name="test_task",status="enqueued"}',
  started: 'background_jobs_total{job_name="test_task",status="started"}',
  completed: 'background_jobs_total{job_name="test_task",status="completed"}',
  failed: 'background_jobs_total{job_name="test_task",status="failed"}',
  timed: 'background_job_duration_seconds_count{job_name="test_task"}',
}

const counts = Effect.map(
  Effect.flatMap(Metrics, ({ render }) => render),
  (text) => {
    const lines = text.split("\n")
    const valueOf = (series: string) =>
      Number(lines.find((line) => line.startsWith(`${series} `))?.slice(series.length) ?? 0)
    return Object.entries(names).map(([name, series]) => [name, valueOf(series)] as const)
  },
)

/** Returns the counts that the effect changes, with the difference. */
const changes = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const before = new Map(yield* counts)
    yield* effect
    const difference = (yield* counts).map(
      ([name, value]) => [name, value - (before.get(name) ?? 0)] as const,
    )
    return Object.fromEntries(difference.filter(([, by]) => by !== 0))
  })

layer(jobs(), { excludeTestServices: true })("Job metrics", (it) => {
  it.effect("count only committed jobs", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const store = yield* JobStore
      const aborted = transaction(Effect.andThen(enqueue("aborted"), Effect.fail("aborted")))
      assert.deepStrictEqual(yield* changes(Effect.exit(aborted)), {})
      const delay = "1 hour"
      assert.deepStrictEqual(yield* changes(transaction(enqueue("kept", { delay }))), {
        enqueued: 1,
      })
      const unique = enqueue("unique", { delay, uniqueKey: "one" })
      assert.deepStrictEqual(yield* changes(Effect.andThen(unique, unique)), { enqueued: 1 })
      assert.deepStrictEqual(yield* store.waiting, [{ name: "test_task", count: 2 }])
    }),
  )

  it.effect("count and time each attempt by its outcome", () =>
    Effect.gen(function* () {
      const store = yield* JobStore
      const tasks = new Tasks()
      yield* running(tasks)
      const run = Effect.flatMap(enqueue("good"), (job) => becomes("completed", job))
      const once = { enqueued: 1, started: 1, completed: 1, timed: 1 }
      assert.deepStrictEqual(yield* changes(run), once)

      tasks.when("second", ({ attempt }) =>
        attempt === 1 ? Effect.fail(new Broken({ message: "no" })) : Effect.void,
      )
      const runTwice = Effect.flatMap(enqueue("second"), (job) => becomes("completed", job))
      const twice = { enqueued: 1, started: 2, failed: 1, completed: 1, timed: 2 }
      assert.deepStrictEqual(yield* changes(runTwice), twice)
      // The two delayed jobs of the test before, and no finished one.
      assert.deepStrictEqual(yield* store.waiting, [{ name: "test_task", count: 2 }])
    }),
  )
})
