import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import {
  enqueue,
  single,
  jobOf,
  untilState,
  transaction,
  untilBegun,
  jobs,
  running,
  Tasks,
} from "../fixtures/data/Jobs.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })(
  "JobQueue, with delays, priorities and unique keys",
  (it) => {
    it.effect("starts a delayed job on time, and lists it until then", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        yield* running(tasks)
        const queue = yield* JobQueue
        const start = performance.now()
        const job = yield* enqueue("later", { delay: "1500 millis" })
        assert.strictEqual((yield* jobOf(job)).state, "delayed")
        const [newest] = yield* queue.list({ state: "delayed", limit: 1 })
        assert.strictEqual(newest?.id, job.id)
        yield* untilState(job, "completed")
        const [begun = 0] = tasks.timesOf("later")
        assert.isAtLeast(begun - start, 1490)
      }),
    )

    it.effect("orders jobs by priority, then by age", () =>
      Effect.gen(function* () {
        const priorities = { low: -1, first: 0, second: 0, high: 5 }
        // Claims them one at a time, and all in one batch.
        for (const add of [single, enqueue]) {
          const tasks = new Tasks()
          for (const [task, priority] of Object.entries(priorities)) yield* add(task, { priority })
          const { stop } = yield* running(tasks)
          yield* untilBegun(tasks, "low")
          assert.deepStrictEqual(
            tasks.begun.map(({ task }) => task),
            ["high", "first", "second", "low"],
          )
          yield* stop
        }
      }),
    )

    it.effect("allows one waiting or active job per unique key, with 50 concurrent enqueues", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        const options = { uniqueKey: "only", delay: "1 second" } as const
        const enqueued = yield* Effect.all(
          Array.from({ length: 50 }, () => transaction(enqueue("unique", options))),
          { concurrency: "unbounded" },
        )
        assert.strictEqual(enqueued.filter(({ created }) => created).length, 1)
        assert.strictEqual(new Set(enqueued.map(({ id }) => id)).size, 1)
        const [job] = enqueued
        assert(job !== undefined)
        assert.strictEqual((yield* jobOf(job)).unique_key, "only")
        assert.isTrue((yield* enqueue("another", { uniqueKey: "other", delay: "1 hour" })).created)

        const release = yield* Deferred.make<void>()
        tasks.when("unique", () => Deferred.await(release))
        yield* running(tasks)
        yield* untilBegun(tasks, "unique")
        assert.isFalse((yield* enqueue("unique", { uniqueKey: "only" })).created)
        yield* Deferred.succeed(release, undefined)
        yield* untilState(job, "completed")
        const next = yield* enqueue("unique", { uniqueKey: "only" })
        assert.isTrue(next.created)
        yield* untilState(next, "completed")
        assert.strictEqual(tasks.timesOf("unique").length, 2)
      }),
    )
  },
)
