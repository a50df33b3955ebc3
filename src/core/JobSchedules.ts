import { Cause, Clock, Context, Cron, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { now, timestampOf } from "../domain/Fields.ts"
import { Database } from "./Database.ts"

interface Schedule {
  readonly cron: Cron.Cron
  readonly enqueue: Effect.Effect<unknown, ServiceUnavailableError>
  /** When to look at its row again, in Unix ms. */
  next: number
  failing: boolean
}

/**
 * What is enqueued at ticks of a cron expression. All processes look at each tick; the one that moves the row's
 * `next_run_at` on enqueues, in the same transaction. So there is one run per tick, whoever dies, and after a time in
 * which nobody looked there is one, not one for each tick.
 */
export class JobSchedules extends Context.Service<
  JobSchedules,
  {
    readonly set: (
      name: string,
      cron: Cron.Cron,
      enqueue: Effect.Effect<unknown, ServiceUnavailableError>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Enqueues what is due; to be called every second. */
    readonly tick: Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/JobSchedules") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query, transaction } = yield* Database
      const schedules = new Map<string, Schedule>()

      const set: JobSchedules["Service"]["set"] = Effect.fnUntraced(
        function* (name, cron, enqueue) {
          const row = { name, cron: textOf(cron), next_run_at: yield* nextOf(cron) }
          yield* query(sql`
            INSERT INTO job_schedules ${sql.insert(row)}
            ON CONFLICT (name) DO UPDATE SET
              cron = excluded.cron,
              next_run_at = CASE
                WHEN job_schedules.cron = excluded.cron THEN job_schedules.next_run_at
                ELSE excluded.next_run_at
              END
          `)
          schedules.set(name, { cron, enqueue, next: 0, failing: false })
        },
      )

      const fire = Effect.fnUntraced(function* (name: string, { cron, enqueue }: Schedule) {
        yield* query(sql`
          UPDATE job_schedules SET next_run_at = ${yield* nextOf(cron)}
          WHERE name = ${name} AND cron = ${textOf(cron)} AND next_run_at > ${yield* latestOf(cron)}
        `)
        const moved = yield* query(sql`
          UPDATE job_schedules SET next_run_at = ${yield* nextOf(cron)}
          WHERE name = ${name} AND cron = ${textOf(cron)} AND next_run_at <= ${yield* now}
          RETURNING name
        `)
        if (moved.length > 0) yield* enqueue
      }, transaction)

      /** A bug of one schedule holds up no other. It is told when it begins, and tried again at each tick. */
      const held = (name: string, schedule: Schedule) => (defect: unknown) => {
        const isNew = !schedule.failing
        schedule.failing = true
        return isNew
          ? Effect.logError("a schedule cannot enqueue its job", Cause.die(defect)).pipe(
              Effect.annotateLogs({ schedule: name }),
            )
          : Effect.void
      }

      const tick = Effect.gen(function* () {
        const time = yield* Clock.currentTimeMillis
        for (const [name, schedule] of schedules) {
          const next = Cron.next(schedule.cron, time).getTime()
          // Later than the next tick: the system clock has stepped back.
          if (schedule.next > time && schedule.next <= next) continue
          const enqueued = Effect.map(fire(name, schedule), () => {
            schedule.next = next
            schedule.failing = false
          })
          yield* Effect.catchDefect(enqueued, held(name, schedule))
        }
      })

      return JobSchedules.of({ set, tick })
    }),
  )
}

/** The same for the same ticks, however they were written. */
const textOf = ({ days, hours, minutes, months, seconds, weekdays }: Cron.Cron) =>
  [seconds, minutes, hours, days, months, weekdays]
    .map((set) => [...set].join(",") || "*")
    .join(" ")

const nextOf = (cron: Cron.Cron) =>
  Effect.map(Clock.currentTimeMillis, (time) => timestampOf(Cron.next(cron, time)))

/** How far the clocks of two processes may differ, in ms. */
const skew = 300_000

/** A row that says later was written by a clock that was ahead, and would wait for it: another process cannot have moved it so far. */
const latestOf = (cron: Cron.Cron) =>
  Effect.map(Clock.currentTimeMillis, (time) =>
    timestampOf(Cron.next(cron, Cron.next(cron, time + skew))),
  )
