import { Effect } from "effect"
import { Idempotency } from "../business/Idempotency.ts"
import { handler } from "../core/JobExecution.ts"
import { CleanupOldData } from "../domain/Job.ts"

/** Removes what is past its retention. */
export const cleanupOldData = Effect.flatMap(Idempotency, (idempotency) =>
  handler(CleanupOldData, () => idempotency.sweep),
)
