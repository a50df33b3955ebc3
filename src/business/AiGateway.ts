import { Context, type Effect, type Scope, type Stream } from "effect"
import type { AiCompletion, AiEvent, AiRequest, AiStatus } from "../domain/Ai.ts"
import type {
  ExternalServiceError,
  QuotaExceededError,
  ServiceUnavailableError,
  ValidationError,
} from "../domain/Errors.ts"
import type { CurrentUser } from "../domain/User.ts"

export type AiCaller = Pick<CurrentUser["Service"], "id" | "plan">

type Broken = ExternalServiceError | ServiceUnavailableError
type Failure = Broken | QuotaExceededError | ValidationError

/** Models of all providers, metered: whatever becomes of a call, what was delivered is in the ledger, once. */
export class AiGateway extends Context.Service<
  AiGateway,
  {
    readonly status: AiStatus
    readonly complete: (
      caller: AiCaller,
      request: AiRequest,
    ) => Effect.Effect<AiCompletion, Failure>
    /**
     * Succeeds when the first text is there; until then another provider may be asked. The usage is settled before the
     * last event, or else when the scope ends: then the request at the provider ends, too.
     */
    readonly stream: (
      caller: AiCaller,
      request: AiRequest,
    ) => Effect.Effect<Stream.Stream<AiEvent, Broken>, Failure, Scope.Scope>
  }
>()("plinth/business/AiGateway") {}
