import { Context, type Effect } from "effect"
import type { ServiceUnavailableError } from "./Errors.ts"

/**
 * The running request of an `Idempotency-Key` that calls an external service. `id` is the idempotency key for that
 * service. Call `save` in the transaction that settles the call, so that both commit together.
 */
export interface PendingAnswer {
  readonly id: string
  readonly save: (answer: unknown) => Effect.Effect<void, ServiceUnavailableError>
}

export const CurrentPendingAnswer = Context.Reference<PendingAnswer | null>(
  "plinth/domain/PendingAnswer/CurrentPendingAnswer",
  {
    defaultValue: () => null,
  },
)
