import { Effect, Layer } from "effect"
import { Usage } from "../business/usage/Usage.ts"
import { JobQueue } from "../core/jobs/Queue.ts"
import * as JobRunner from "../core/jobs/Runner.ts"
import { Settings } from "../core/settings/Settings.ts"
import {
  CleanupOldData,
  GenerateDailyReport,
  SweepAiReservations,
  SweepIdempotencyKeys,
} from "../domain/jobs/JobKinds.ts"
import * as Data from "./Data.ts"
import * as Emails from "./Emails.ts"
import { metered } from "./Metered.ts"

/** Runs the product's jobs and enqueues the scheduled ones. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* schedules
    const handlers = [...(yield* Emails.handlers), ...(yield* Data.handlers)]
    yield* JobRunner.start(handlers.map(metered(yield* Usage)))
  }),
)

/** Registers the schedules: cron expressions in UTC. */
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
