import { Effect, Layer } from "effect"
import { JobQueue } from "../core/JobQueue.ts"
import * as JobRunner from "../core/JobRunner.ts"
import { CleanupOldData } from "../domain/Job.ts"
import { cleanupOldData } from "./Cleanup.ts"

/** Does the jobs of the product, and enqueues those of its schedules (UTC). */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const queue = yield* JobQueue
    yield* queue.schedule("cleanup_old_data", "0 0 * * 0", CleanupOldData, {})
    yield* JobRunner.start(yield* Effect.all([cleanupOldData]))
  }),
)
