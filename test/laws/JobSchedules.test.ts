import { assert, layer } from "@effect/vitest"
import { Clock, Cron, DateTime, Effect, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { JobSchedules } from "../../src/core/jobs/Schedules.ts"
import { steady } from "../../src/core/SteadyClock.ts"
import { ServiceUnavailableError } from "../../src/domain/Errors.ts"
import {
  jobOf,
  untilBegun,
  longEnough,
  anotherProcess,
  jobs,
  running,
  Task,
  Tasks,
} from "../fixtures/data/Jobs.ts"

layer(jobs(), { excludeTestServices: true, timeout: "60 seconds" })("JobSchedules", (it) => {
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
})
