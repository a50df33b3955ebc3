import { Context, type Effect, type Scope, type Stream } from "effect"
import type { AiAnswer, AiCall, AiError, AiDelta, AiProviderName } from "../../domain/Ai.ts"

/** One provider, within its policy: attempts, time and circuit breaker are seen to. */
export interface AiProvider {
  readonly name: AiProviderName
  readonly complete: (call: AiCall) => Effect.Effect<AiAnswer, AiError>
  /**
   * Succeeds with the first part that says something. From then on nothing is repeated: what breaks, breaks the
   * stream. The end of the scope ends the request at the provider, at once.
   */
  readonly stream: (
    call: AiCall,
  ) => Effect.Effect<Stream.Stream<AiDelta, AiError>, AiError, Scope.Scope>
}

/** The providers that are set up, by name. */
export class Ai extends Context.Service<
  Ai,
  { readonly providers: ReadonlyMap<AiProviderName, AiProvider> }
>()("plinth/services/ai/Ai") {}
