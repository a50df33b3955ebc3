import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { Settings } from "../../core/settings/Settings.ts"
import { currentSteadyMillis } from "../../core/SteadyClock.ts"
import {
  type AiCompletion,
  AiError,
  type AiEvent,
  type AiPart,
  type AiRequest,
  type AiStatus,
} from "../../domain/ai/Ai.ts"
import type {
  ExternalServiceError,
  QuotaExceededError,
  ServiceUnavailableError,
  ValidationError,
} from "../../domain/Errors.ts"
import { Ai } from "../../services/ai/Ai.ts"
import { toExternalServiceError } from "./AiRouting.ts"
import type { Subscriber } from "../plans/Entitlements.ts"
import * as AiRuns from "./AiRuns.ts"

type StreamFailure = ExternalServiceError | ServiceUnavailableError
type Failure = StreamFailure | QuotaExceededError | ValidationError

/** Calls AI models of all providers. Records the delivered tokens in the ledger exactly once, however a call ends. */
export class AiGateway extends Context.Service<
  AiGateway,
  {
    readonly status: AiStatus
    readonly complete: (
      caller: Subscriber,
      request: AiRequest,
    ) => Effect.Effect<AiCompletion, Failure>
    /**
     * Succeeds when the first text arrives; until then another provider may be tried. The usage is settled before the
     * last event, or when the scope closes, which also ends the request to the provider.
     */
    readonly stream: (
      caller: Subscriber,
      request: AiRequest,
    ) => Effect.Effect<Stream.Stream<AiEvent, StreamFailure>, Failure, Scope.Scope>
  }
>()("plinth/business/ai/AiGateway") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { callModels, settle, startRun } = yield* AiRuns.make
      const { providers } = yield* Ai
      const { ai: settings } = yield* Settings

      const complete: AiGateway["Service"]["complete"] = Effect.fnUntraced(function* (
        caller,
        request,
      ) {
        const run = yield* startRun(caller, request)
        yield* callModels(run, (provider, call) =>
          Effect.map(provider.complete(call), (answer) => run.meter.addAnswer(answer)),
        )
        return yield* Effect.uninterruptible(settle(run))
      }, Effect.scoped)

      const stream: AiGateway["Service"]["stream"] = Effect.fnUntraced(function* (caller, request) {
        const run = yield* startRun(caller, request)
        const parts = yield* callModels(run, (provider, call) => provider.stream(call))

        const meterPart = (part: AiPart): Effect.Effect<AiPart, AiError> =>
          Effect.flatMap(currentSteadyMillis, (now) => {
            run.meter.add(part)
            return now - run.startedAtMs > maxStreamMs
              ? Effect.fail(timeoutError(run))
              : Effect.succeed(part)
          })
        const settleRun = Effect.uninterruptible(settle(run))
        const end = Effect.map(settleRun, (completion): AiEvent => ({ _tag: "end", completion }))
        const settleAndFail = (error: AiError) => {
          run.isBroken = true
          return Effect.andThen(settleRun, Effect.fail(toExternalServiceError(error)))
        }
        return parts.pipe(
          Stream.mapEffect(meterPart),
          Stream.filter(({ text }) => text !== ""),
          Stream.map(({ text }): AiEvent => ({ _tag: "delta", text })),
          Stream.catch((error) => Stream.fromEffect(settleAndFail(error))),
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

/** The maximum duration of a stream. Must be shorter than the lifetime of its reservation. */
const maxStreamMs = 10 * 60_000

const timeoutError = ({ meter, chain: [chosen] }: AiRuns.AiRun) =>
  new AiError({ provider: (meter.answeredBy ?? chosen)?.provider ?? "echo", reason: "unavailable" })
