import { Cause, Clock, Context, Cron, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now, timestampOf } from "../../domain/Fields.ts"
import { Database } from "../sql/Database.ts"
import { Outage } from "../telemetry/Outage.ts"

interface Schedule {
  readonly cron: Cron.Cron
  readonly enqueue: Effect.Effect<unknown, ServiceUnavailableError>
  /** The time of the next check of its row, in Unix ms. */
  nextCheckAtMs: number
  readonly outage: Outage
}

/**
 * Enqueues jobs at the ticks of cron expressions. All processes check at each tick; the one that advances the row's
 * `next_run_at` enqueues the job in the same transaction. Hence one run per tick even when processes die, and a single
 * run after a time without any process, not one for each missed tick.
 */
export class JobSchedules extends Context.Service<
  JobSchedules,
  {
    readonly set: (
      name: string,
      cron: Cron.Cron,
      enqueue: Effect.Effect<unknown, ServiceUnavailableError>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Enqueues due jobs. Call every second. */
    readonly tick: Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/core/jobs/Schedules/JobSchedules") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query, transaction } = yield* Database
      const schedules = new Map<string, Schedule>()

      const set: JobSchedules["Service"]["set"] = Effect.fnUntraced(
        function* (name, cron, enqueue) {
          const row = { name, cron: canonicalText(cron), next_run_at: yield* nextOf(cron) }
          yield* query(sql`
            INSERT INTO job_schedules ${sql.insert(row)}
            ON CONFLICT (name) DO UPDATE SET
              cron = excluded.cron,
              next_run_at = CASE
                WHEN job_schedules.cron = excluded.cron THEN job_schedules.next_run_at
                ELSE excluded.next_run_at
              END
          `)
          schedules.set(name, { cron, enqueue, nextCheckAtMs: 0, outage: new Outage() })
        },
      )

      const fire = Effect.fnUntraced(function* (name: string, { cron, enqueue }: Schedule) {
        yield* query(sql`
          UPDATE job_schedules SET next_run_at = ${yield* nextOf(cron)}
          WHERE name = ${name} AND cron = ${canonicalText(cron)} AND next_run_at > ${yield* latestPlausible(cron)}
        `)
        const advanced = yield* query(sql`
          UPDATE job_schedules SET next_run_at = ${yield* nextOf(cron)}
          WHERE name = ${name} AND cron = ${canonicalText(cron)} AND next_run_at <= ${yield* now}
          RETURNING name
        `)
        if (advanced.length > 0) yield* enqueue
      }, transaction)

      /**
       * Logs the first of consecutive defects of a schedule, which then retries at each tick. Other schedules are
       * unaffected.
       */
      const logDefect = (name: string, schedule: Schedule) => (defect: unknown) =>
        schedule.outage.failed(
          Effect.logError("schedule failed to enqueue its job", Cause.die(defect)).pipe(
            Effect.annotateLogs({ schedule: name }),
          ),
        )

      const tick = Effect.gen(function* () {
        const time = yield* Clock.currentTimeMillis
        for (const [name, schedule] of schedules) {
          const next = Cron.next(schedule.cron, time).getTime()
          // A check later than the next tick means that the system clock was set back: check now.
          if (schedule.nextCheckAtMs > time && schedule.nextCheckAtMs <= next) continue
          const enqueued = Effect.map(fire(name, schedule), () => {
            schedule.nextCheckAtMs = next
            schedule.outage.succeeded()
          })
          yield* Effect.catchDefect(enqueued, logDefect(name, schedule))
        }
      })

      return JobSchedules.of({ set, tick })
    }),
  )
}

/** Returns equal texts for expressions with equal ticks, however they were written. */
const canonicalText = ({ days, hours, minutes, months, seconds, weekdays }: Cron.Cron) =>
  [seconds, minutes, hours, days, months, weekdays]
    .map((set) => [...set].join(",") || "*")
    .join(" ")

const nextOf = (cron: Cron.Cron) =>
  Effect.map(Clock.currentTimeMillis, (time) => timestampOf(Cron.next(cron, time)))

/** The most by which the clocks of two processes may differ. */
const maxClockSkewMs = 300_000

/**
 * The latest `next_run_at` that another process can have set. A later one was written by a clock that was ahead, and is
 * reset.
 */
const latestPlausible = (cron: Cron.Cron) =>
  Effect.map(Clock.currentTimeMillis, (time) =>
    timestampOf(Cron.next(cron, Cron.next(cron, time + maxClockSkewMs))),
  )
