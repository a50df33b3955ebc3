import { Cause, Clock, Data, Duration, Effect, Exit, Result, Scope, Stream } from "effect"
import * as Resilience from "../../core/Resilience.ts"
import * as CallVerdict from "../../core/CallVerdict.ts"
import {
  type AiAnswer,
  type AiCall,
  AiError,
  type AiDelta,
  type AiProviderName,
  type AiTokens,
} from "../../domain/Ai.ts"
import type { ExternalServiceError, ServiceUnavailableError } from "../../domain/Errors.ts"
import type { AiProvider } from "./Ai.ts"
import * as Failure from "./Failure.ts"

/** What vendors differ in: how they are asked, by their SDKs, and what is in their answers. */
export interface Vendor {
  readonly provider: AiProviderName
  readonly complete: (call: AiCall, signal: AbortSignal) => Promise<unknown>
  readonly stream: (call: AiCall, signal: AbortSignal) => Promise<AsyncIterable<unknown>>
  readonly answerOf: (body: unknown) => Result.Result<AiAnswer, Failure.Failure>
  /** Null: nothing in it for us. */
  readonly partOf: (chunk: unknown) => Result.Result<AiDelta | null, Failure.Failure>
}

/** A failed attempt: what the caller is told of it, and what the policy is. */
class AttemptError extends Data.TaggedError("AiAttemptError")<{
  readonly error: AiError
  readonly verdict: CallVerdict.CallVerdict
}> {
  override get message() {
    return this.error.message
  }
}

/** What a provider answered, without its words: they repeat what it was sent. */
class AnswerError extends Data.TaggedError("AiAnswerError")<{ readonly status: number }> {
  override get message() {
    return String(this.status)
  }
}

/** Somebody waits for it. A second attempt is made after quick refusals alone. */
const retryPolicy = { timeout: "120 seconds", within: "125 seconds", attempts: 2 } as const
/** Of a stream: to the first text, and between its parts. */
const chunkTimeout = "60 seconds"
/** When it asks for more, another provider is faster. */
const longestWait = Duration.seconds(2)

/** For SDKs, which count by themselves: later than all of the above. */
export const sdkTimeout = 600_000

export const make = Effect.fnUntraced(function* (vendor: Vendor) {
  const { provider } = vendor
  const policy = yield* Resilience.make({
    service: provider,
    ...retryPolicy,
    verdict: ({ verdict }: AttemptError) => verdict,
  })

  const failed = ({ reason, status, verdict }: Failure.Failure) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const wait = CallVerdict.delayOf(verdict, now)
      const error = new AiError({
        provider,
        reason,
        ...(status !== null && { cause: new AnswerError({ status }) }),
        ...(Duration.isGreaterThan(wait, Duration.zero) && {
          retry_after: Math.ceil(Duration.toSeconds(wait)),
        }),
      })
      return new AttemptError({
        error,
        verdict: Duration.isGreaterThan(wait, longestWait)
          ? { ...verdict, retry: "never" }
          : verdict,
      })
    })

  /** The alert: nobody but us can do something about it. */
  const toAiError = (
    failure: AttemptError | ExternalServiceError | ServiceUnavailableError,
  ): Effect.Effect<never, AiError> => {
    const error = errorOf(provider, failure)
    return error.reason === "authentication"
      ? Effect.andThen(
          Effect.annotateLogs(Effect.logError("AI provider refuses our key"), { provider }),
          Effect.fail(error),
        )
      : Effect.fail(error)
  }

  /** In a scope of its own, which ends with a failed attempt; else with the caller's. */
  const opened = Effect.fnUntraced(function* (call: AiCall) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* opening(vendor, call).pipe(
      Scope.provide(scope),
      inTime,
      Effect.catch(failed),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    )
  })

  return {
    name: provider,
    complete: (call) =>
      asked((signal) => vendor.complete(call, signal)).pipe(
        Effect.flatMap((body) => Effect.fromResult(vendor.answerOf(body))),
        Effect.catch(failed),
        policy.once("complete"),
        Effect.catch(toAiError),
      ),
    stream: (call) =>
      opened(call).pipe(
        policy.once("stream"),
        Effect.map(({ first, next }) => {
          const pull = next.pipe(
            inTime,
            Effect.catch(failed),
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

const asked = <A>(ask: (signal: AbortSignal) => PromiseLike<A>) =>
  Effect.tryPromise({ try: ask, catch: Failure.ofThrown })

/** What comes up to the first text, or to the end; and all that follows. */
const opening = Effect.fnUntraced(function* (vendor: Vendor, call: AiCall) {
  const signal = yield* Effect.abortSignal
  const chunks = yield* asked(() => vendor.stream(call, signal))
  // Never its `return`: that would wait for a `next` which is on its way.
  const next = reading(vendor, chunks[Symbol.asyncIterator]())
  const first: Array<AiDelta> = []
  for (;;) {
    const part = yield* next
    if (part !== null) first.push(part)
    if (part === null || part.text !== "") return { first, next }
  }
})

const inTime = Effect.timeoutOrElse({
  duration: chunkTimeout,
  orElse: () => Effect.fail(Failure.timedOut),
})

/**
 * The next part; null is the end. What was counted is told in whole with each part that counts something. A stream
 * without its end was cut; what comes after the end is not missed.
 */
const reading = (
  { partOf }: Vendor,
  iterator: AsyncIterator<unknown>,
): Effect.Effect<AiDelta | null, Failure.Failure> => {
  let ended = false
  let named = false
  let counted: AiTokens = { prompt: null, completion: null }

  /** Undefined: nothing in it for us, as while a model thinks. */
  const read = (chunk: unknown) =>
    Result.map(partOf(chunk), (part) => {
      if (part === null) return undefined
      const { finish_reason, model, text, tokens } = part
      if (text === "" && finish_reason === null && tokens === null && (named || model === null)) {
        return undefined
      }
      named ||= model !== null
      ended ||= finish_reason !== null
      if (tokens === null) return part
      counted = {
        prompt: tokens.prompt ?? counted.prompt,
        completion: tokens.completion ?? counted.completion,
      }
      return { ...part, tokens: counted }
    })

  const step = Effect.suspend(() => asked(() => iterator.next())).pipe(
    Effect.flatMap(
      ({ done, value }): Effect.Effect<AiDelta | null | undefined, Failure.Failure> => {
        if (done === true) return ended ? Effect.succeed(null) : Effect.fail(Failure.garbage)
        return Effect.fromResult(read(value))
      },
    ),
    Effect.catch((failure) => (ended ? Effect.succeed(null) : Effect.fail(failure))),
  )

  return Effect.gen(function* () {
    for (;;) {
      const part = yield* step
      if (part !== undefined) return part
    }
  })
}

const errorOf = (
  provider: AiProviderName,
  failure: AttemptError | ExternalServiceError | ServiceUnavailableError,
): AiError => {
  switch (failure._tag) {
    case "AiAttemptError":
      return failure.error
    case "ExternalServiceError":
      return new AiError({ provider, reason: "unavailable", cause: failure })
    case "ServiceUnavailableError":
      return new AiError({
        provider,
        reason: "unavailable",
        cause: failure,
        ...(failure.retry_after !== undefined && { retry_after: failure.retry_after }),
      })
  }
}

/** A number of tokens, if it is one. Zero is told as such. */
export const countOf = (value: unknown): number | null =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : null
