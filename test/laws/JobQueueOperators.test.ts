import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { uuidV7 } from "../../src/core/Uuid.ts"
import { JobId } from "../../src/domain/jobs/Job.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import {
  enqueue,
  single,
  jobOf,
  untilState,
  untilBegun,
  longEnough,
  anotherProcess,
  jobs,
  Refused,
  running,
  Tasks,
} from "../fixtures/data/Jobs.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })(
  "JobQueue, for operators",
  (it) => {
    it.effect("runs a failed job again, under the same id, when an operator retries it", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        const queue = yield* JobQueue
        let broken = true
        tasks.when("again", () =>
          broken ? Effect.fail(new Refused({ message: "not yet" })) : Effect.succeed({ done: 7 }),
        )
        yield* running(tasks)
        const job = yield* single("again", { uniqueKey: "again" })
        yield* untilState(job, "failed")
        assert.strictEqual((yield* Effect.flip(queue.cancel(job.id)))._tag, "ConflictError")

        broken = false
        const retried = yield* queue.retry(job.id)
        assert.deepInclude(retried, { id: job.id, state: "waiting", finished_at: null })
        assert.deepInclude(retried, { attempts: 1, max_attempts: 2 })
        yield* untilState(job, "completed")
        assert.deepInclude(yield* jobOf(job), { attempts: 2, error: null, result: { done: 7 } })
        assert.strictEqual((yield* Effect.flip(queue.retry(job.id)))._tag, "ConflictError")
        assert.strictEqual((yield* Effect.flip(queue.retry(uuidV7())))._tag, "NotFoundError")
        assert.strictEqual((yield* Effect.flip(queue.get("nope")))._tag, "NotFoundError")
      }),
    )

    it.effect("refuses to retry a failed job while another has its unique key", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const first = yield* enqueue("twice", { uniqueKey: "twice", delay: "1 hour" })
        yield* queue.cancel(first.id)
        const second = yield* enqueue("twice", { uniqueKey: "twice", delay: "1 hour" })
        assert.isTrue(second.created)
        assert.deepInclude(yield* Effect.flip(queue.retry(first.id)), {
          _tag: "ConflictError",
          reason: "duplicate",
          field: "unique_key",
        })
        yield* queue.cancel(second.id)
      }),
    )

    it.effect("cancels a waiting, delayed or active job, which stays listed", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        const queue = yield* JobQueue
        const [waiting, delayed] = [
          yield* enqueue("waiting"),
          yield* enqueue("delayed", { delay: "2 seconds" }),
        ]
        for (const { id } of [waiting, delayed]) {
          assert.deepInclude(yield* queue.cancel(id), { id, state: "cancelled" })
        }
        let interrupted = 0
        tasks.when("active", () =>
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)),
        )
        yield* running(tasks)
        const active = yield* enqueue("active")
        yield* untilBegun(tasks, "active")
        // The other process cannot notify this one: the lease simply is not renewed.
        yield* Effect.provide(
          Effect.flatMap(JobQueue, ({ cancel }) => cancel(active.id)),
          yield* anotherProcess,
        )
        // Allows less time than the lease lasts.
        yield* eventually(
          Effect.sync(() => interrupted === 1),
          6,
        )
        const here = yield* enqueue("active")
        yield* untilBegun(tasks, "active", 2)
        yield* queue.cancel(here.id)
        yield* eventually(Effect.sync(() => interrupted === 2))

        yield* longEnough
        const all = [waiting, delayed, active, here].map(({ id }) => id)
        assert.includeMembers(
          (yield* queue.list({ state: "cancelled", limit: 100 })).map(({ id }) => id),
          all,
        )
        assert.deepStrictEqual(
          tasks.begun.map(({ task }) => task),
          ["active", "active"],
        )
      }),
    )

    it.effect("lists jobs newest first, in pages, and counts them", () =>
      Effect.gen(function* () {
        const queue = yield* JobQueue
        const before = yield* queue.stats
        const ids: Array<string> = []
        for (let n = 0; n < 7; n++) {
          const add = n % 2 === 0 ? enqueue : single
          ids.unshift((yield* add("listed", { delay: "1 hour" })).id)
        }
        const waiting = yield* enqueue("listed")
        const first = { state: "waiting", limit: 1 } as const
        assert.strictEqual((yield* queue.list(first))[0]?.id, waiting.id)
        yield* queue.cancel(waiting.id)
        assert.notStrictEqual((yield* queue.list(first))[0]?.id, waiting.id)
        const pages: Array<string> = []
        while (pages.length < ids.length) {
          const last = pages.at(-1)
          const page = yield* queue.list({
            state: "delayed",
            limit: 3,
            ...(last !== undefined && { before: last }),
          })
          pages.push(...page.map(({ id }) => id))
        }
        assert.deepStrictEqual(pages.slice(0, ids.length), ids)
        const after = yield* queue.stats
        assert.strictEqual(after.delayed - before.delayed, ids.length)
        for (const id of ids) yield* queue.cancel(JobId.make(id))
        assert.strictEqual((yield* queue.stats).cancelled - before.cancelled, ids.length + 1)
      }),
    )
  },
)
