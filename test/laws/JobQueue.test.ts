import { assert, layer } from "@effect/vitest"
import { Cause, Clock, Cron, DateTime, Deferred, Effect, Exit, Logger, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { Database } from "../../src/core/sql/Database.ts"
import { type EnqueueOptions, JobQueue } from "../../src/core/jobs/Queue.ts"
import { JobSchedules } from "../../src/core/jobs/Schedules.ts"
import { JobStore } from "../../src/core/jobs/Store.ts"
import { uuidV7 } from "../../src/core/Uuid.ts"
import { steady } from "../../src/core/SteadyClock.ts"
import { ServiceUnavailableError } from "../../src/domain/Errors.ts"
import { type Job, JobId } from "../../src/domain/jobs/Job.ts"
import { RequestInfo } from "../../src/domain/RequestInfo.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import {
  anotherProcess,
  Broken,
  jobs,
  Refused,
  running,
  type Services,
  Single,
  Task,
  Tasks,
} from "../fixtures/data/Jobs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"

const enqueue = (task: string, options?: EnqueueOptions) =>
  Effect.flatMap(JobQueue, (queue) => queue.enqueue(Task, { task }, options))

const single = (task: string, options?: EnqueueOptions) =>
  Effect.flatMap(JobQueue, (queue) => queue.enqueue(Single, { task }, options))

const jobOf = ({ id }: { readonly id: JobId }) => Effect.flatMap(JobQueue, (queue) => queue.get(id))

const untilState = (job: { readonly id: JobId }, state: Job["state"]) =>
  eventually(Effect.map(jobOf(job), (found) => found.state === state))

const transaction = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Database, (database) => database.transaction(self))

const aborted = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.exit(transaction(Effect.andThen(self, Effect.fail("aborted" as const))))

/** Waits until the task has begun this often. */
const untilBegun = (tasks: Tasks, task: string, times = 1) =>
  eventually(Effect.sync(() => tasks.timesOf(task).length >= times))

/** Long enough for any job that may begin to begin. */
const longEnough = sleep(1500)

const forever = () => Effect.never

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })("JobQueue", (it) => {
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
      assert.deepInclude(rest, { max_attempts: 4, progress: null, result: null, unique_key: null })
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
        (yield* queue.list({ state: "failed", name: "test_task", limit: 100 })).map(({ id }) => id),
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

  it.effect("fails a job whose payload is malformed with the reason, without blocking others", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const store = yield* JobStore
      const insert = (payload: unknown) => {
        const id = JobId.make(uuidV7())
        const message = { payload, request_id: null, trace: null }
        const job = { id, name: "test_task", max_attempts: 4, priority: 0, delay: 0 }
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

  it.effect("enqueues a scheduled job once per tick, with several processes", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const processes = yield* Effect.all([anotherProcess, anotherProcess, anotherProcess])
      const schedule = Effect.flatMap(JobQueue, (queue) =>
        queue.schedule("every second", "* * * * * *", Task, { task: "tick" }),
      )
      for (const process of processes) {
        yield* Effect.provide(Effect.andThen(schedule, running(tasks)), process)
      }
      yield* untilBegun(tasks, "tick", 6)
      const ids = tasks.begun.filter(({ task }) => task === "tick").map(({ context }) => context.id)
      const times = (yield* Effect.forEach(ids, (id) => jobOf({ id }))).map(
        ({ created_at }) => DateTime.makeUnsafe(created_at).epochMilliseconds,
      )
      // A tick may be late while the next is on time.
      const ticks = (Math.max(...times) - Math.min(...times)) / 1000 + 1
      assert.isAtMost(times.length, Math.ceil(ticks) + 1)
    }),
  )

  it.effect("makes up for the last tick only, when no process was running", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const sql = yield* SqlClient.SqlClient
      const schedule = Effect.flatMap(JobQueue, (queue) =>
        queue.schedule("daily", "0 9 * * *", Task, { task: "daily" }),
      )
      yield* Effect.scoped(Effect.andThen(schedule, running(tasks)))
      const long = "2020-01-01T09:00:00.000Z"
      yield* sql`UPDATE job_schedules SET next_run_at = ${long} WHERE name = 'daily'`
      const again = Effect.andThen(schedule, running(tasks))
      yield* Effect.provide(again, yield* anotherProcess)
      yield* Effect.provide(again, yield* anotherProcess)
      yield* untilBegun(tasks, "daily")
      yield* longEnough
      assert.strictEqual(tasks.timesOf("daily").length, 1)
      const [row] = yield* sql<{ next_run_at: string }>`
        SELECT next_run_at FROM job_schedules WHERE name = 'daily'
      `
      assert.isAbove(Number(row?.next_run_at.slice(0, 4)), 2025)
    }),
  )

  it.effect("repeats a tick whose job could not be enqueued", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schedules = yield* JobSchedules
      let isUnreachable = true
      let enqueued = 0
      const cron = Cron.parseUnsafe("0 9 * * *", "UTC")
      const unreachable = new ServiceUnavailableError({ service: "database" })
      yield* schedules.set(
        "flaky",
        cron,
        Effect.suspend(() =>
          isUnreachable ? Effect.fail(unreachable) : Effect.sync(() => enqueued++),
        ),
      )
      const due = "2020-01-01T09:00:00.000Z"
      yield* sql`UPDATE job_schedules SET next_run_at = ${due} WHERE name = 'flaky'`
      assert.strictEqual((yield* Effect.flip(schedules.tick))._tag, "ServiceUnavailableError")
      isUnreachable = false
      yield* schedules.tick
      yield* schedules.tick
      assert.strictEqual(enqueued, 1)
    }),
  )

  it.effect("enqueues a scheduled job although another schedule has a bug", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schedules = yield* JobSchedules
      let isBroken = true
      const enqueued: Array<string> = []
      const cron = Cron.parseUnsafe("0 9 * * *", "UTC")
      const enqueue = (name: string) => Effect.sync(() => enqueued.push(name))
      const broken = Effect.suspend(() => (isBroken ? Effect.die("bug") : enqueue("broken")))
      yield* schedules.set("broken", cron, broken)
      yield* schedules.set("sound", cron, enqueue("sound"))
      yield* sql`UPDATE job_schedules SET next_run_at = ${"2020-01-01T09:00:00.000Z"}
                 WHERE name IN ('broken', 'sound')`
      yield* schedules.tick
      assert.deepStrictEqual(enqueued, ["sound"])
      isBroken = false
      yield* schedules.tick
      assert.deepStrictEqual(enqueued, ["sound", "broken"])
    }).pipe(Effect.provide(Logger.layer([]))),
  )

  it.effect("ticks on time after a clock ran ahead, and once when clocks differ", () =>
    Effect.gen(function* () {
      const schedules = yield* JobSchedules
      const clock = yield* Clock.Clock
      let enqueued = 0
      const at = (time: string) => {
        const now = () => Date.parse(time)
        return Effect.provideService(Clock.Clock, {
          ...steady(clock),
          currentTimeMillisUnsafe: now,
          currentTimeMillis: Effect.sync(now),
        })
      }
      const cron = Cron.parseUnsafe("0 9 * * *", "UTC")
      const add = Effect.sync(() => enqueued++)
      yield* at("2031-01-01T08:00:00.000Z")(schedules.set("stepped", cron, add))
      const counts = yield* Effect.forEach(
        [
          "2031-01-01T08:00:00.000Z",
          "2026-03-01T08:00:00.000Z",
          "2026-03-01T09:00:00.000Z",
          "2026-03-01T08:56:00.000Z",
          "2026-03-01T09:00:00.000Z",
          "2026-03-02T09:00:00.000Z",
        ],
        (time) => Effect.map(at(time)(schedules.tick), () => enqueued),
      )
      assert.deepStrictEqual(counts, [0, 0, 1, 1, 1, 2])
    }),
  )

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
        tasks.when("long", forever)
        const { stop } = yield* running(tasks)
        const [short, long] = [yield* enqueue("short"), yield* enqueue("long")]
        yield* untilBegun(tasks, "short")
        yield* untilBegun(tasks, "long")
        const after = yield* enqueue("after", { delay: "100 millis" })
        yield* stop
        assert.deepInclude(yield* jobOf(short), { state: "completed" })
        assert.deepInclude(yield* jobOf(long), { state: "waiting", attempts: 0, started_at: null })
        assert.deepInclude(yield* jobOf(after), { attempts: 0 })

        tasks.when("long", () => Effect.void)
        yield* running(tasks)
        yield* untilState(long, "completed")
        assert.deepInclude(yield* jobOf(long), { attempts: 1 })
        yield* untilState(after, "completed")
      }),
  )
})
