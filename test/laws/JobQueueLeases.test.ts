import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { JobStore } from "../../src/core/jobs/Store.ts"
import {
  enqueue,
  single,
  jobOf,
  untilState,
  untilBegun,
  jobs,
  running,
  Tasks,
} from "../fixtures/data/Jobs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })(
  "JobQueue, with leases",
  (it) => {
    it.effect(
      "accepts an outcome from the current holder only, not from one that handed the job back",
      () =>
        Effect.gen(function* () {
          const store = yield* JobStore
          const job = yield* single("held")
          const claim = Effect.gen(function* () {
            yield* sleep(5)
            const [claimed] = yield* store.claim("test_single", 1)
            assert.deepInclude(claimed, { id: job.id, attempt: 1 })
            assert(claimed !== undefined)
            return claimed
          })
          const before = yield* claim
          yield* store.settle([{ claim: before, outcome: "handed_back" }])
          const held = yield* claim

          yield* store.settle([{ claim: before, outcome: "handed_back" }])
          yield* store.settle([{ claim: before, outcome: "failed", error: "late" }])
          yield* store.progress(before, 50)
          assert.deepStrictEqual([...(yield* store.renew([before]))], [])
          assert.deepInclude(yield* jobOf(job), { state: "active", progress: null, error: null })

          assert.deepStrictEqual([...(yield* store.renew([held]))], [job.id])
          yield* store.progress(held, 60)
          assert.strictEqual((yield* jobOf(job)).progress, 60)
          yield* store.settle([{ claim: held, outcome: "completed", result: 1 }])
          assert.deepInclude(yield* jobOf(job), { state: "completed", attempts: 1, result: 1 })
        }),
    )

    it.effect(
      "finishes or hands back active jobs on shutdown; a handed-back attempt is not counted",
      () =>
        Effect.gen(function* () {
          const tasks = new Tasks()
          tasks.when("short", () => sleep(300))
          tasks.when("long", () => Effect.never)
          const { stop } = yield* running(tasks)
          const [short, long] = [yield* enqueue("short"), yield* enqueue("long")]
          yield* untilBegun(tasks, "short")
          yield* untilBegun(tasks, "long")
          const after = yield* enqueue("after", { delay: "100 millis" })
          yield* stop
          assert.deepInclude(yield* jobOf(short), { state: "completed" })
          assert.deepInclude(yield* jobOf(long), {
            state: "waiting",
            attempts: 0,
            started_at: null,
          })
          assert.deepInclude(yield* jobOf(after), { attempts: 0 })

          tasks.when("long", () => Effect.void)
          yield* running(tasks)
          yield* untilState(long, "completed")
          assert.deepInclude(yield* jobOf(long), { attempts: 1 })
          yield* untilState(after, "completed")
        }),
    )
  },
)
