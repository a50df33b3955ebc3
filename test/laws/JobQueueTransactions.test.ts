import { assert, layer } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import * as fc from "fast-check"
import { type EnqueueOptions, JobQueue } from "../../src/core/jobs/Queue.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import {
  enqueue,
  untilState,
  transaction,
  aborted,
  longEnough,
  anotherProcess,
  jobs,
  running,
  type Services,
  Tasks,
} from "../fixtures/data/Jobs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })(
  "JobQueue, with transactions",
  (it) => {
    it.effect("enqueues a job if and only if its transaction commits, savepoints included", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        yield* running(tasks)
        yield* aborted(enqueue("rolled back"))
        const committed = yield* transaction(
          Effect.gen(function* () {
            yield* aborted(enqueue("savepoint rolled back"))
            return yield* enqueue("committed")
          }),
        )
        yield* untilState(committed, "completed")
        yield* longEnough
        assert.deepStrictEqual(
          tasks.begun.map(({ task }) => task),
          ["committed"],
        )
      }),
    )

    it.effect("enqueues by one statement of the caller's transaction", () =>
      Effect.gen(function* () {
        const counted = Effect.fnUntraced(function* (options: EnqueueOptions) {
          const spans: Array<Tracer.NativeSpan> = []
          const tracer = Tracer.make({
            span: (about) => {
              const span = new Tracer.NativeSpan(about)
              spans.push(span)
              return span
            },
          })
          yield* Effect.provideService(
            transaction(enqueue("counted", options)),
            Tracer.Tracer,
            tracer,
          )
          const texts = spans.map(({ attributes }) => attributes.get("db.query.text"))
          const statements = texts.filter((text) => text !== undefined)
          assert.strictEqual(statements.length, 1, statements.join("\n"))
        })
        yield* counted({ delay: "1 hour" })
        yield* counted({ delay: "1 hour", uniqueKey: "counted", priority: 3 })
      }),
    )

    it.effect("hides a job until the commit, and then starts it once", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        yield* running(tasks)
        const queue = yield* JobQueue
        const other = yield* anotherProcess
        const job = yield* transaction(
          Effect.gen(function* () {
            const enqueued = yield* enqueue("hidden")
            yield* longEnough
            assert.deepStrictEqual(tasks.begun, [])
            const there = Effect.flatMap(JobQueue, ({ list }) => list({ limit: 100 }))
            const seen = yield* Effect.provide(there, other)
            assert.notInclude(
              seen.map(({ id }) => id),
              enqueued.id,
            )
            return enqueued
          }),
        )
        yield* untilState(job, "completed")
        const { attempts, created_at, error, finished_at, name, payload, started_at, ...rest } =
          yield* queue.get(job.id)
        assert.deepStrictEqual(
          { name, payload, attempts, error },
          { name: "test_task", payload: { task: "hidden" }, attempts: 1, error: null },
        )
        assert.isTrue(created_at <= (started_at ?? "") && (started_at ?? "") <= (finished_at ?? ""))
        assert.deepInclude(rest, {
          max_attempts: 4,
          progress: null,
          result: null,
          unique_key: null,
        })
        assert.deepStrictEqual(tasks.timesOf("hidden").length, 1)
      }),
    )

    it.effect("starts exactly the jobs whose transaction committed, in any interleaving", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<Services>()
        const transactions = fc.array(
          fc.record({
            commits: fc.boolean(),
            jobs: fc.integer({ min: 0, max: 3 }),
            wait: fc.nat(20),
          }),
          { minLength: 1, maxLength: 6 },
        )
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(transactions, (all) =>
              Effect.gen(function* () {
                const tasks = new Tasks()
                const { stop } = yield* running(tasks)
                const committed = yield* Effect.forEach(
                  all,
                  ({ commits, jobs, wait }, at) => {
                    const names = Array.from({ length: jobs }, (_, n) => `${at}/${n}`)
                    const enqueued = Effect.andThen(
                      Effect.forEach(names, (name) => enqueue(name)),
                      sleep(wait),
                    )
                    return commits
                      ? Effect.as(transaction(enqueued), names)
                      : Effect.as(aborted(enqueued), [])
                  },
                  { concurrency: 4 },
                )
                yield* eventually(Effect.sync(() => tasks.begun.length >= committed.flat().length))
                yield* stop
                assert.deepStrictEqual(
                  tasks.begun.map(({ task }) => task).toSorted(),
                  committed.flat().toSorted(),
                )
              }).pipe(Effect.scoped, Effect.runPromiseWith(context)),
            ),
            { numRuns: 12 },
          ),
        )
      }),
    )
  },
)
