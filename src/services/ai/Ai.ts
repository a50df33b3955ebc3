import { Context, type Effect, type Scope, type Stream } from "effect"
import type { AiAnswer, AiCall, AiError, AiPart } from "../../domain/ai/Ai.ts"
import type { AiProviderName } from "../../domain/ai/AiModels.ts"

/** One provider. Calls are already subject to its policy: attempts, timeouts and circuit breaker. */
export interface AiProvider {
  readonly name: AiProviderName
  readonly complete: (call: AiCall) => Effect.Effect<AiAnswer, AiError>
  /**
   * Succeeds when the first text arrives. After that nothing is retried: a failure fails the stream. Closing the scope
   * cancels the request to the provider immediately.
   */
  readonly stream: (
    call: AiCall,
  ) => Effect.Effect<Stream.Stream<AiPart, AiError>, AiError, Scope.Scope>
}

/** The configured providers by name. */
export class Ai extends Context.Service<
  Ai,
  { readonly providers: ReadonlyMap<AiProviderName, AiProvider> }
>()("plinth/services/ai/Ai") {}
