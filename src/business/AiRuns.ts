import { Effect, Result, type Scope, type Tracer } from "effect"
import type { AiModel } from "../core/AiSettings.ts"
import { Metrics } from "../core/Metrics.ts"
import { Settings } from "../core/Settings.ts"
import { currentSteadyMillis } from "../core/SteadyClock.ts"
import {
  type AiCall,
  type AiCompletion,
  type AiError,
  type AiProviderName,
  type AiRequest,
  knownModels,
} from "../domain/Ai.ts"
import { type PendingAnswer, CurrentPendingAnswer } from "../domain/PendingAnswer.ts"
import { Ai, type AiProvider } from "../services/ai/Ai.ts"
import { AiMeter, promptAtMost } from "./AiMeter.ts"
import { AiReservations } from "./AiReservations.ts"
import type { Subscriber } from "./Entitlements.ts"
import { type AiFailure, chainOf, failureOf, mayHelp } from "./AiRouting.ts"

/** One request, from its reservation to its settlement. */
export interface AiRun {
  readonly reservation: string
  readonly chain: ReadonlyArray<AiModel>
  readonly request: AiRequest
  readonly claim: PendingAnswer | null
  readonly span: Tracer.Span
  /** In steady ms, as `asked`. */
  readonly started: number
  readonly meter: AiMeter
  /** Since when the one that answers is asked. */
  asked: number
  /** By a fault of the provider's. */
  isBroken: boolean
  /** What was settled. */
  completion: AiCompletion | null
}

export const make = Effect.gen(function* () {
  const { providers } = yield* Ai
  const { ai: settings } = yield* Settings
  const reservations = yield* AiReservations
  const metrics = yield* Metrics

  const configured = [settings.default, ...Object.values(settings.routes), ...settings.fallbacks]
  const named = new Set([...knownModels, ...configured.map(({ model }) => model)])
  /** Clients may name what they like; metrics and names of spans are of a bounded number of models. */
  const labelOf = (model: string) => (named.has(model) ? model : "other")

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
    const tokens = request.max_tokens + promptAtMost(request.messages)
    const started = yield* currentSteadyMillis
    const run: AiRun = {
      reservation: yield* reservations.reserve(caller, { model: chosen.model, tokens }),
      chain,
      request,
      claim: yield* CurrentPendingAnswer,
      span,
      started,
      asked: started,
      meter: new AiMeter(request.messages),
      isBroken: false,
      completion: null,
    }
    return run
  })

  /** What was delivered is written to the ledger, once, and told to metrics and span. */
  const settle = Effect.fnUntraced(function* (run: AiRun): Effect.fn.Return<AiCompletion> {
    if (run.completion !== null) return run.completion
    const { claim, meter, span, started } = run
    const { estimated, usage } = yield* meter.usage
    const ended = yield* currentSteadyMillis
    const from = meter.from ?? settings.default
    const completion: AiCompletion = {
      content: meter.text,
      model: meter.model || from.model,
      provider: from.provider,
      usage,
      finish_reason: meter.finish_reason ?? "stop",
      latency_ms: ended - started,
    }
    run.completion = completion
    const isDelivered = meter.from !== null
    yield* reservations.settle(
      run.reservation,
      isDelivered ? { model: from.model, tokens: usage.total_tokens, estimated } : null,
      claim === null || !isDelivered ? null : claim.keep(completion),
    )
    if (!isDelivered) return completion
    const label = labelOf(from.model)
    const status = run.isBroken ? "error" : "success"
    metrics.llmRequest(from.provider, label, status, (ended - run.asked) / 1000)
    metrics.llmTokens(from.provider, label, "prompt", usage.prompt_tokens)
    metrics.llmTokens(from.provider, label, "completion", usage.completion_tokens)
    span.attribute("gen_ai.provider.name", providerNames[from.provider])
    span.attribute("gen_ai.response.model", completion.model)
    span.attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
    span.attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
    span.attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
    return completion
  })

  /** In the scope of the caller, whose end settles what is not settled yet. */
  const run = (
    caller: Subscriber,
    request: AiRequest,
  ): Effect.Effect<AiRun, Effect.Error<ReturnType<typeof begin>>, Scope.Scope> =>
    Effect.acquireRelease(begin(caller, request), settle)

  const failed = Effect.fnUntraced(function* ({ model, provider }: AiModel, started: number) {
    const seconds = ((yield* currentSteadyMillis) - started) / 1000
    metrics.llmRequest(provider, labelOf(model), "error", seconds)
  })

  /** One model after the other, until one answers, or until none is left that may help. */
  const ask = Effect.fnUntraced(function* <A, R>(
    run: AiRun,
    call: (provider: AiProvider, call: AiCall) => Effect.Effect<A, AiError, R>,
  ): Effect.fn.Return<A, AiFailure, R> {
    const { chain, claim, request, span } = run
    const failures: Array<AiError> = []
    for (const model of chain) {
      const provider = providers.get(model.provider)
      if (provider === undefined || !failures.every((failure) => mayHelp(model, failure))) continue
      const { max_tokens, messages, temperature } = request
      const key = claim === null ? null : claim.id
      const started = yield* currentSteadyMillis
      const result = yield* call(provider, {
        model: model.model,
        messages,
        temperature,
        max_tokens,
        key,
      }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            run.meter.from = model
            run.asked = started
          }),
        ),
        Effect.withParentSpan(span, { captureStackTrace: false }),
        Effect.result,
      )
      if (Result.isSuccess(result)) return result.success
      failures.push(result.failure)
      yield* failed(model, started)
    }
    return yield* failureOf(failures)
  })

  return { ask, run, settle }
})

/** By the GenAI semantic conventions of OpenTelemetry. */
const providerNames: Readonly<Record<AiProviderName, string>> = {
  openai: "openai",
  anthropic: "anthropic",
  google: "gcp.gemini",
  echo: "echo",
}
