import { Effect } from "effect"
import { AiReservations } from "../business/ai/AiReservations.ts"
import { Cleanup } from "../business/privacy/Cleanup.ts"
import { Exports } from "../business/privacy/Exports.ts"
import { handler } from "../core/jobs/Execution.ts"
import {
  CleanupOldData,
  ExportUserData,
  SweepAiReservations,
  SweepIdempotencyKeys,
} from "../domain/jobs/JobKinds.ts"

/** Handlers of jobs that export or remove stored data. */
export const handlers = Effect.gen(function* () {
  const reservations = yield* AiReservations
  const cleanup = yield* Cleanup
  const exports = yield* Exports

  return yield* Effect.all([
    handler(ExportUserData, ({ user_id }) => exports.make(user_id)),
    handler(CleanupOldData, () => cleanup.run),
    handler(SweepIdempotencyKeys, () => cleanup.removeIdempotencyKeys),
    handler(SweepAiReservations, () => reservations.sweep),
  ])
})
