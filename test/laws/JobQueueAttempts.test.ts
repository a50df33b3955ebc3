import { assert, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit } from "effect"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { JobStore } from "../../src/core/jobs/Store.ts"
import { uuidV7 } from "../../src/core/Uuid.ts"
import { JobId } from "../../src/domain/jobs/Job.ts"
import { RequestInfo } from "../../src/domain/RequestInfo.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import {
  enqueue,
  single,
  jobOf,
  untilState,
  Broken,
  jobs,
  Refused,
  running,
  Tasks,
} from "../fixtures/data/Jobs.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })(
  "JobQueue, with attempts",
  (it) => {
    it.effect("retries failed jobs after growing delays with jitter", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        const names = ["a", "b", "c", "d"]
        for (const name of names) {
          tasks.when(name, () => Effect.fail(new Broken({ message: `attempt of ${name}` })))
        }
        const all = yield* Effect.forEach(names, (name) => enqueue(name))
        yield* running(tasks)
        for (const job of all) yield* untilState(job, "failed")

        const gaps = names.map((name) => {
          const times = tasks.timesOf(name)
          assert.strictEqual(times.length, 4)
          return times.slice(1).map((time, at) => time - (times[at] ?? 0))
        })
        for (const [one = 0, two = 0, three = 0] of gaps) {
          assert.isAtLeast(one, 99)
          assert.isAtLeast(two, 199)
          assert.isAtLeast(three, 399)
        }
        assert.isAbove(new Set(gaps.map(([, , last = 0]) => Math.round(last / 10))).size, 1)
        const queue = yield* JobQueue
        const [job] = all
        assert(job !== undefined)
        const found = yield* queue.get(job.id)
        assert.deepInclude(found, { attempts: 4, max_attempts: 4, error: "Broken: attempt of a" })
        assert.includeMembers(
          (yield* queue.list({ state: "failed", name: "test_task", limit: 100 })).map(
            ({ id }) => id,
          ),
          all.map(({ id }) => id),
        )
      }),
    )

    it.effect("fails a job immediately on an error that no retry can fix", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        tasks.when("refused", () => Effect.fail(new Refused({ message: "no such user" })))
        yield* running(tasks)
        const job = yield* enqueue("refused")
        yield* untilState(job, "failed")
        assert.deepInclude(yield* jobOf(job), { attempts: 1, error: "Refused: no such user" })
      }),
    )

    it.effect("interrupts a job that exceeds its time limit, and starts the next one", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        let interrupted = 0
        tasks.when("endless", () =>
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)),
        )
        const endless = yield* single("endless")
        const next = yield* single("next")
        yield* running(tasks)
        yield* untilState(next, "completed")
        assert.strictEqual(interrupted, 1)
        assert.deepInclude(yield* jobOf(endless), {
          state: "failed",
          error: "TimedOut: did not finish within 400ms",
        })
      }),
    )

    it.effect("retries a job that died, and stores only the redacted message of the defect", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        tasks.when("bug", () => Effect.die(new Error("a bug with password=hunter2secret")))
        yield* running(tasks)
        const job = yield* single("bug")
        yield* untilState(job, "failed")
        assert.strictEqual((yield* jobOf(job)).error, "Error: a bug with password=<redacted>")
      }),
    )

    it.effect("fails a job whose result cannot be stored, without blocking others", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        const circle: { self?: unknown } = {}
        circle.self = circle
        const results: ReadonlyArray<unknown> = [circle, 10n, "a\0b", { text: "\ud800" }]
        for (const [at, result] of results.entries()) {
          tasks.when(`unusable ${at}`, () => Effect.succeed(result))
        }
        tasks.when("usable", () => Effect.succeed({ text: "\\u0000 ü\n", at: undefined }))
        yield* running(tasks)
        const bad = yield* Effect.forEach(results.keys(), (at) => enqueue(`unusable ${at}`))
        const good = yield* enqueue("usable")
        yield* untilState(good, "completed")
        assert.deepStrictEqual((yield* jobOf(good)).result, { text: "\\u0000 ü\n" })
        for (const job of bad) {
          yield* untilState(job, "failed")
          assert.match((yield* jobOf(job)).error ?? "", /^UnusableResult: /)
        }
      }),
    )

    it.effect("refuses a payload that PostgreSQL cannot store, on every database", () =>
      Effect.gen(function* () {
        for (const task of ["a\0b", "\ud800"]) {
          const exit = yield* Effect.exit(enqueue(task))
          assert(Exit.isFailure(exit))
          assert.match(String(Cause.squash(exit.cause)), /^Error: The payload of a job test_task /)
        }
      }),
    )

    it.effect("truncates an error message that is too long to store", () =>
      Effect.gen(function* () {
        const tasks = new Tasks()
        // The limit falls in the middle of the last character.
        const message = `${"x".repeat(1990)}😀`
        tasks.when("long", () => Effect.fail(new Refused({ message })))
        yield* running(tasks)
        const job = yield* enqueue("long")
        yield* untilState(job, "failed")
        assert.match((yield* jobOf(job)).error ?? "", /^Refused: x{1990}\ufffd$/)
      }),
    )

    it.effect(
      "fails a job whose payload is malformed with the reason, without blocking others",
      () =>
        Effect.gen(function* () {
          const tasks = new Tasks()
          const store = yield* JobStore
          const insert = (payload: unknown) => {
            const id = JobId.make(uuidV7())
            const message = { payload, request_id: null, trace: null }
            const job = { id, name: "test_task", max_attempts: 4, priority: 0, delayMs: 0 }
            return Effect.as(store.insert({ ...job, ...message, unique_key: null }), { id })
          }
          const bad = [yield* insert({ task: 7 }), yield* insert("nonsense"), yield* insert(null)]
          yield* running(tasks)
          yield* untilState(yield* enqueue("good"), "completed")
          for (const job of bad) {
            yield* untilState(job, "failed")
            const { attempts, error } = yield* jobOf(job)
            assert.strictEqual(attempts, 1)
            assert.match(error ?? "", /^MalformedPayload: its payload is invalid \(payload/)
            assert.notInclude(error, "nonsense")
          }
        }),
    )

    it.effect(
      "runs a job with the request id and trace that enqueued it, and shows its progress",
      () =>
        Effect.gen(function* () {
          const tasks = new Tasks()
          const seen: Array<unknown> = []
          const release = yield* Deferred.make<void>()
          tasks.when("traced", ({ progress }) =>
            Effect.gen(function* () {
              const { request_id } = yield* RequestInfo
              const { traceId } = yield* Effect.orDie(Effect.currentSpan)
              seen.push([request_id, traceId])
              yield* progress(42)
              yield* Deferred.await(release)
              return null
            }),
          )
          yield* running(tasks)
          const request = { request_id: "request-1", ip_address: null, user_id: null, caller: null }
          const [job, traceId] = yield* Effect.gen(function* () {
            const span = yield* Effect.orDie(Effect.currentSpan)
            return [yield* enqueue("traced"), span.traceId] as const
          }).pipe(Effect.withSpan("request"), Effect.provideService(RequestInfo, request))
          yield* eventually(Effect.map(jobOf(job), ({ progress }) => progress === 42))
          yield* Deferred.succeed(release, undefined)
          yield* untilState(job, "completed")
          assert.deepStrictEqual(seen, [["request-1", traceId]])
          assert.strictEqual((yield* jobOf(job)).progress, null)
        }),
    )
  },
)
