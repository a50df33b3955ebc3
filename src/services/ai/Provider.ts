import { Cause, Effect, Exit, Result, Scope, Stream } from "effect"
import {
  type AiAnswer,
  type AiCall,
  AiError,
  type AiPart,
  type AiTokens,
} from "../../domain/ai/Ai.ts"
import type { AiProviderName } from "../../domain/ai/AiModels.ts"
import * as Attempt from "../Attempt.ts"
import type { AiProvider } from "./Ai.ts"
import * as Failure from "./Failure.ts"

/** The differences between vendors: how to call their SDKs, and how to decode their responses. */
export interface Vendor {
  readonly provider: AiProviderName
  readonly complete: (call: AiCall, signal: AbortSignal) => Promise<unknown>
  readonly stream: (call: AiCall, signal: AbortSignal) => Promise<AsyncIterable<unknown>>
  readonly answerOf: (body: unknown) => Result.Result<AiAnswer, Failure.Failure>
  /** Returns null for a chunk to ignore. */
  readonly partOf: (chunk: unknown) => Result.Result<AiPart | null, Failure.Failure>
}

/** A caller is waiting, so only a quick failure leaves time for a second attempt. */
const retryPolicy = { timeout: "120 seconds", totalTimeout: "125 seconds", attempts: 2 } as const
/** The longest time until the first text of a stream, and between its parts. */
const chunkTimeout = "60 seconds"
/** If the provider asks for a longer delay, falling back to another provider is faster. */
const maxRetryAfterSeconds = 2

/** The SDKs' own timeout. Longer than all timeouts above, so that those apply. */
export const sdkTimeoutMs = 600_000

export const make = Effect.fnUntraced(function* (vendor: Vendor) {
  const { provider } = vendor
  const policy = yield* Attempt.makePolicy<AiError>({ service: provider, ...retryPolicy })

  const toAttemptError = ({ reason, status, verdict }: Failure.Failure) =>
    Effect.flatMap(Attempt.retryAfterOf(verdict), (retryAfter) => {
      const error = new AiError({
        provider,
        reason,
        ...(status !== null && { cause: Attempt.answerError(status) }),
        ...retryAfter,
      })
      const { retry_after = 0 } = retryAfter
      return new Attempt.AttemptError({
        error,
        verdict: retry_after > maxRetryAfterSeconds ? { ...verdict, retry: "never" } : verdict,
      })
    })

  const errorOf = Attempt.toError(
    (fields) => new AiError({ provider, reason: "unavailable", ...fields }),
  )

  /** Maps a failure to `AiError`. Logs a rejected API key as an error, because only the operator can fix it. */
  const toAiError = (failure: Attempt.CallFailure<AiError>): Effect.Effect<never, AiError> => {
    const error = errorOf(failure)
    return error.reason === "authentication"
      ? Effect.andThen(
          Effect.annotateLogs(Effect.logError("AI provider rejected our API key"), { provider }),
          Effect.fail(error),
        )
      : Effect.fail(error)
  }

  /** Opens the stream in a scope that closes with a failed attempt, or else with the caller's scope. */
  const openInScope = Effect.fnUntraced(function* (call: AiCall) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* openStream(vendor, call).pipe(
      Scope.provide(scope),
      withChunkTimeout,
      Effect.catch(toAttemptError),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    )
  })

  return {
    name: provider,
    complete: (call) =>
      callSdk((signal) => vendor.complete(call, signal)).pipe(
        Effect.flatMap((body) => Effect.fromResult(vendor.answerOf(body))),
        Effect.catch(toAttemptError),
        policy.once("complete"),
        Effect.catch(toAiError),
      ),
    stream: (call) =>
      openInScope(call).pipe(
        policy.once("stream"),
        Effect.map(({ first, next }) => {
          const pull = next.pipe(
            withChunkTimeout,
            Effect.catch(toAttemptError),
            Effect.mapError(({ error }) => error),
            Effect.flatMap((part) =>
              part === null ? Cause.done() : Effect.succeed([part] as const),
            ),
          )
          return Stream.concat(Stream.fromIterable(first), Stream.fromPull(Effect.succeed(pull)))
        }),
        Effect.catch(toAiError),
      ),
  } satisfies AiProvider
})

const callSdk = <A>(request: (signal: AbortSignal) => PromiseLike<A>) =>
  Effect.tryPromise({ try: request, catch: Failure.fromThrown })

/** Reads up to the first text, or to the end. Returns these parts, and `next`, which reads the following ones. */
const openStream = Effect.fnUntraced(function* (vendor: Vendor, call: AiCall) {
  const signal = yield* Effect.abortSignal
  const chunks = yield* callSdk(() => vendor.stream(call, signal))
  // Never call `return` of the iterator: it would wait for a pending `next`.
  const next = partReader(vendor, chunks[Symbol.asyncIterator]())
  const first: Array<AiPart> = []
  for (;;) {
    const part = yield* next
    if (part !== null) first.push(part)
    if (part === null || part.text !== "") return { first, next }
  }
})

const withChunkTimeout = Effect.timeoutOrElse({
  duration: chunkTimeout,
  orElse: () => Effect.fail(Failure.timedOut),
})

/**
 * Returns an effect that reads the next part, or null at the end. Each part with token counts carries the totals so
 * far. Fails if the stream ends without a finish reason. Ignores failures after the finish reason.
 */
const partReader = (
  { partOf }: Vendor,
  iterator: AsyncIterator<unknown>,
): Effect.Effect<AiPart | null, Failure.Failure> => {
  let isFinished = false
  let isModelSent = false
  let tokensSoFar: AiTokens = { prompt: null, completion: null }

  /** Returns undefined for a chunk without content, as while a model thinks. */
  const read = (chunk: unknown) =>
    Result.map(partOf(chunk), (part) => {
      if (part === null) return undefined
      const { finish_reason, model, text, tokens } = part
      if (
        text === "" &&
        finish_reason === null &&
        tokens === null &&
        (isModelSent || model === null)
      ) {
        return undefined
      }
      isModelSent ||= model !== null
      isFinished ||= finish_reason !== null
      if (tokens === null) return part
      tokensSoFar = {
        prompt: tokens.prompt ?? tokensSoFar.prompt,
        completion: tokens.completion ?? tokensSoFar.completion,
      }
      return { ...part, tokens: tokensSoFar }
    })

  const step = Effect.suspend(() => callSdk(() => iterator.next())).pipe(
    Effect.flatMap(({ done, value }): Effect.Effect<AiPart | null | undefined, Failure.Failure> => {
      if (done === true) return isFinished ? Effect.succeed(null) : Effect.fail(Failure.unusable)
      return Effect.fromResult(read(value))
    }),
    Effect.catch((failure) => (isFinished ? Effect.succeed(null) : Effect.fail(failure))),
  )

  return Effect.gen(function* () {
    for (;;) {
      const part = yield* step
      if (part !== undefined) return part
    }
  })
}

/** Returns a valid token count, or null. Zero is a valid count. */
export const countOf = (value: unknown): number | null =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : null
