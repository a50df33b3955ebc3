import { Layer } from "effect"
import { Claims } from "./Claims.ts"
import { Idempotency } from "./Idempotency.ts"
import { IdempotencyRepo } from "./IdempotencyRepo.ts"

/** Requests that have one effect however often they are sent. */
export const layer = Layer.mergeAll(Idempotency.layer, Claims.layer).pipe(
  Layer.provideMerge(IdempotencyRepo.layer),
)
