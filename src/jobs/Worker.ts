import { Effect, Layer, Option, Schema } from "effect"
import { Usage } from "../business/Usage.ts"
import { JobFailed, type JobHandler } from "../core/JobExecution.ts"
import { JobQueue } from "../core/JobQueue.ts"
import * as JobRunner from "../core/JobRunner.ts"
import { Settings } from "../core/Settings.ts"
import { now } from "../domain/Fields.ts"
import {
  CleanupOldData,
  GenerateDailyReport,
  SweepAiReservations,
  SweepIdempotencyKeys,
} from "../domain/Job.ts"
import { UserId } from "../domain/User.ts"
import * as Data from "./Data.ts"
import * as Emails from "./Emails.ts"

/** Does the jobs of the product, and enqueues those of its schedules. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* schedules
    const handlers = [...(yield* Emails.handlers), ...(yield* Data.handlers)]
    yield* JobRunner.start(handlers.map(metered(yield* Usage)))
  }),
)

/** A job about a user is usage of his, once: the ledger knows it by its id, however often it runs. */
const metered =
  (usage: Usage["Service"]) =>
  (handler: JobHandler): JobHandler => ({
    ...handler,
    run: (payload, context) =>
      Effect.tap(handler.run(payload, context), () => {
        const user = userOf(payload)
        return Option.isNone(user)
          ? Effect.void
          : Effect.flatMap(now, (occurred_at) =>
              usage.record([
                {
                  source: `job:${context.id}`,
                  user_id: user.value,
                  metric: "background_jobs",
                  quantity: 1,
                  dimension: handler.type.identifier,
                  estimated: false,
                  occurred_at,
                },
              ]),
            ).pipe(Effect.mapError((cause) => new JobFailed({ cause })))
      }),
  })

const userOf = (payload: unknown) => Option.map(decodeUser(payload), ({ user_id }) => user_id)

const decodeUser = Schema.decodeUnknownOption(Schema.Struct({ user_id: UserId }))

/** By cron expressions, in UTC. */
const schedules = Effect.gen(function* () {
  const { schedule } = yield* JobQueue
  const { ADMIN_EMAIL } = yield* Settings
  if (ADMIN_EMAIL !== null) {
    yield* schedule("generate_daily_report", "0 9 * * *", GenerateDailyReport, {})
  }
  yield* schedule("cleanup_old_data", "0 0 * * 0", CleanupOldData, {})
  yield* schedule("sweep_idempotency_keys", "*/10 * * * *", SweepIdempotencyKeys, {})
  yield* schedule("sweep_ai_reservations", "*/5 * * * *", SweepAiReservations, {})
})
