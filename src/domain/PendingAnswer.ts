import { Context, type Effect } from "effect"
import type { ServiceUnavailableError } from "./Errors.ts"

/**
 * The request of the `Idempotency-Key` that is being answered, where another's service is called meanwhile. `id` is
 * the idempotency key for that service; `keep`, in the transaction that settles the call, keeps the answer beside it.
 */
export interface PendingAnswer {
  readonly id: string
  readonly keep: (answer: unknown) => Effect.Effect<void, ServiceUnavailableError>
}

export const CurrentPendingAnswer = Context.Reference<PendingAnswer | null>(
  "plinth/domain/Claim/CurrentClaim",
  {
    defaultValue: () => null,
  },
)
