import { Effect, Result, type Scope, type Tracer } from "effect"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { currentSteadyMillis } from "../../core/SteadyClock.ts"
import type { AiCall, AiCompletion, AiError, AiRequest } from "../../domain/ai/Ai.ts"
import { type AiModel, aiModels, knownModels } from "../../domain/ai/AiModels.ts"
import { type PendingAnswer, CurrentPendingAnswer } from "../../domain/PendingAnswer.ts"
import { Ai, type AiProvider } from "../../services/ai/Ai.ts"
import { AiMeter, maxPromptTokens } from "./AiMeter.ts"
import { AiReservations } from "./AiReservations.ts"
import type { Subscriber } from "../plans/Entitlements.ts"
import { type AiFailure, chainOf, toAiFailure, isWorthTrying } from "./AiRouting.ts"

/** One request, from its reservation to its settlement. */
export interface AiRun {
  readonly reservation: string
  readonly chain: ReadonlyArray<AiModel>
  readonly request: AiRequest
  readonly pendingAnswer: PendingAnswer | null
  readonly span: Tracer.Span
  /** On the steady clock, as `callStartedAtMs`. */
  readonly startedAtMs: number
  readonly meter: AiMeter
  /** The start of the call that delivers the answer. */
  callStartedAtMs: number
  /** The stream was broken by the provider. */
  isBroken: boolean
  /** The settled result. */
  completion: AiCompletion | null
}

export const make = Effect.gen(function* () {
  const { providers } = yield* Ai
  const { ai: settings } = yield* Settings
  const reservations = yield* AiReservations
  const metrics = yield* Metrics

  const configured = [settings.default, ...Object.values(settings.routes), ...settings.fallbacks]
  const labelledModels = new Set([...knownModels(), ...configured.map(({ model }) => model)])
  /** Bounds the labels of metrics and spans, because clients may send any model name. */
  const labelOf = (model: string) => (labelledModels.has(model) ? model : "other")

  const begin = Effect.fnUntraced(function* (caller: Subscriber, request: AiRequest) {
    const chain = chainOf(settings, request)
    const [chosen = settings.default] = chain
    const span = yield* Effect.makeSpanScoped(`chat ${labelOf(chosen.model)}`, {
      kind: "client",
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": chosen.model,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
      },
    })
    const tokens = request.max_tokens + maxPromptTokens(request.messages)
    const startedAtMs = yield* currentSteadyMillis
    const run: AiRun = {
      reservation: yield* reservations.reserve(caller, { model: chosen.model, tokens }),
      chain,
      request,
      pendingAnswer: yield* CurrentPendingAnswer,
      span,
      startedAtMs,
      callStartedAtMs: startedAtMs,
      meter: new AiMeter(request.messages),
      isBroken: false,
      completion: null,
    }
    return run
  })

  /** Writes the delivered usage to the ledger once, and records it in metrics and span. */
  const settle = Effect.fnUntraced(function* (run: AiRun): Effect.fn.Return<AiCompletion> {
    if (run.completion !== null) return run.completion
    const { pendingAnswer, meter, span, startedAtMs } = run
    const { estimated, usage } = yield* meter.usage
    const endedAtMs = yield* currentSteadyMillis
    const answeredBy = meter.answeredBy ?? settings.default
    const completion: AiCompletion = {
      content: meter.text,
      model: meter.model || answeredBy.model,
      provider: answeredBy.provider,
      usage,
      finish_reason: meter.finish_reason ?? "stop",
      latency_ms: endedAtMs - startedAtMs,
    }
    run.completion = completion
    const isDelivered = meter.answeredBy !== null
    yield* reservations.settle(
      run.reservation,
      isDelivered ? { model: answeredBy.model, tokens: usage.total_tokens, estimated } : null,
      pendingAnswer === null || !isDelivered ? null : pendingAnswer.save(completion),
    )
    if (!isDelivered) return completion
    const label = labelOf(answeredBy.model)
    const status = run.isBroken ? "error" : "success"
    metrics.llmRequest(answeredBy.provider, label, status, (endedAtMs - run.callStartedAtMs) / 1000)
    metrics.llmTokens(answeredBy.provider, label, "prompt", usage.prompt_tokens)
    metrics.llmTokens(answeredBy.provider, label, "completion", usage.completion_tokens)
    span.attribute("gen_ai.provider.name", aiModels[answeredBy.provider].telemetryName)
    span.attribute("gen_ai.response.model", completion.model)
    span.attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
    span.attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
    span.attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
    return completion
  })

  /** Starts a run in the caller's scope. Closing the scope settles the run, if that has not happened yet. */
  const startRun = (
    caller: Subscriber,
    request: AiRequest,
  ): Effect.Effect<AiRun, Effect.Error<ReturnType<typeof begin>>, Scope.Scope> =>
    Effect.acquireRelease(begin(caller, request), settle)

  const countFailure = Effect.fnUntraced(function* (
    { model, provider }: AiModel,
    startedAtMs: number,
  ) {
    const seconds = ((yield* currentSteadyMillis) - startedAtMs) / 1000
    metrics.llmRequest(provider, labelOf(model), "error", seconds)
  })

  /** Calls the models of the chain in order until one answers, skipping those that cannot succeed. */
  const callModels = Effect.fnUntraced(function* <A, R>(
    run: AiRun,
    call: (provider: AiProvider, call: AiCall) => Effect.Effect<A, AiError, R>,
  ): Effect.fn.Return<A, AiFailure, R> {
    const { chain, pendingAnswer, request, span } = run
    const failures: Array<AiError> = []
    for (const model of chain) {
      const provider = providers.get(model.provider)
      if (provider === undefined || !failures.every((failure) => isWorthTrying(model, failure)))
        continue
      const { max_tokens, messages, temperature } = request
      const key = pendingAnswer === null ? null : pendingAnswer.id
      const callStartedAtMs = yield* currentSteadyMillis
      const result = yield* call(provider, {
        model: model.model,
        messages,
        temperature,
        max_tokens,
        key,
      }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            run.meter.answeredBy = model
            run.callStartedAtMs = callStartedAtMs
          }),
        ),
        Effect.withParentSpan(span, { captureStackTrace: false }),
        Effect.result,
      )
      if (Result.isSuccess(result)) return result.success
      failures.push(result.failure)
      yield* countFailure(model, callStartedAtMs)
    }
    return yield* toAiFailure(failures)
  })

  return { callModels, settle, startRun }
})
