import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { Settings } from "../core/Settings.ts"
import { currentSteadyMillis } from "../core/SteadyClock.ts"
import {
  type AiCompletion,
  AiError,
  type AiEvent,
  type AiPart,
  type AiRequest,
  type AiStatus,
} from "../domain/Ai.ts"
import type {
  ExternalServiceError,
  QuotaExceededError,
  ServiceUnavailableError,
  ValidationError,
} from "../domain/Errors.ts"
import { Ai } from "../services/ai/Ai.ts"
import { brokenOf } from "./AiRouting.ts"
import type { Subscriber } from "./Entitlements.ts"
import * as AiRuns from "./AiRuns.ts"

type Broken = ExternalServiceError | ServiceUnavailableError
type Failure = Broken | QuotaExceededError | ValidationError

/** Models of all providers, metered: whatever becomes of a call, what was delivered is in the ledger, once. */
export class AiGateway extends Context.Service<
  AiGateway,
  {
    readonly status: AiStatus
    readonly complete: (
      caller: Subscriber,
      request: AiRequest,
    ) => Effect.Effect<AiCompletion, Failure>
    /**
     * Succeeds when the first text is there; until then another provider may be asked. The usage is settled before the
     * last event, or else when the scope ends: then the request at the provider ends, too.
     */
    readonly stream: (
      caller: Subscriber,
      request: AiRequest,
    ) => Effect.Effect<Stream.Stream<AiEvent, Broken>, Failure, Scope.Scope>
  }
>()("plinth/business/AiGateway") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { ask, run, settle } = yield* AiRuns.make
      const { providers } = yield* Ai
      const { ai: settings } = yield* Settings

      const complete: AiGateway["Service"]["complete"] = Effect.fnUntraced(function* (
        caller,
        request,
      ) {
        const current = yield* run(caller, request)
        yield* ask(current, (provider, call) =>
          Effect.map(provider.complete(call), (answer) => current.meter.addWhole(answer)),
        )
        return yield* Effect.uninterruptible(settle(current))
      }, Effect.scoped)

      const stream: AiGateway["Service"]["stream"] = Effect.fnUntraced(function* (caller, request) {
        const current = yield* run(caller, request)
        const parts = yield* ask(current, (provider, call) => provider.stream(call))

        const metered = (part: AiPart): Effect.Effect<AiPart, AiError> =>
          Effect.flatMap(currentSteadyMillis, (now) => {
            current.meter.add(part)
            return now - current.started > maxStreamMs
              ? Effect.fail(tooLong(current))
              : Effect.succeed(part)
          })
        const settled = Effect.uninterruptible(settle(current))
        const end = Effect.map(settled, (completion): AiEvent => ({ _tag: "end", completion }))
        const broken = (error: AiError) => {
          current.isBroken = true
          return Effect.andThen(settled, Effect.fail(brokenOf(error)))
        }
        return parts.pipe(
          Stream.mapEffect(metered),
          Stream.filter(({ text }) => text !== ""),
          Stream.map(({ text }): AiEvent => ({ _tag: "delta", text })),
          Stream.catch((error) => Stream.fromEffect(broken(error))),
          Stream.concat(Stream.fromEffect(end)),
        )
      })

      const { model, provider } = settings.default
      return AiGateway.of({
        status: {
          available: providers.size > 0,
          providers: Array.from(providers.keys()),
          default_provider: provider,
          default_model: model,
        },
        complete,
        stream,
      })
    }),
  )
}

/** In ms, of a whole stream; its reservation lasts longer. */
const maxStreamMs = 10 * 60_000

const tooLong = ({ meter, chain: [chosen] }: AiRuns.AiRun) =>
  new AiError({ provider: (meter.from ?? chosen)?.provider ?? "echo", reason: "unavailable" })
