import { Cause, Duration, Effect, Exit, Fiber, Schedule, type Tracer } from "effect"
import { ExternalServiceError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import * as Breaker from "./Breaker.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { steadyMillis } from "../SteadyClock.ts"
import { delayOf, unanswered, type CallVerdict } from "./CallVerdict.ts"

/**
 * Calls an external service: attempts bounded in time and number, inside a circuit breaker. Fails with the error of the
 * last attempt, with `ExternalServiceError` if there was no response in time, and with `ServiceUnavailableError`,
 * without a call, while the breaker is open.
 */
export interface Policy<E> {
  /** Wraps calls that may run twice: reads, and writes with an idempotency key. */
  readonly repeatable: Call<E>
  /** Wraps calls that must not run twice. Retries only after a failure that proves that nothing was done. */
  readonly once: Call<E>
  /** The time until the breaker lets a call through; zero if it is not open. */
  readonly openFor: Effect.Effect<Duration.Duration>
}

/** `operation` is a label of the metrics: a name, never an id. */
export type Call<E> = (
  operation: string,
) => <A, R>(
  self: Effect.Effect<A, E, R>,
) => Effect.Effect<
  A,
  E | ExternalServiceError | ServiceUnavailableError,
  Exclude<R, Tracer.ParentSpan>
>

export interface Options<E> {
  readonly service: string
  /** The timeout of one attempt. */
  readonly timeout: Duration.Input
  /** The timeout of all attempts and the delays between them. An uninterruptible attempt is abandoned, not awaited. */
  readonly totalTimeout: Duration.Input
  readonly attempts: number
  readonly verdict: (error: E) => CallVerdict
}

/** Doubles with each attempt, with a jitter of 20 %. */
const firstRetryDelay = "200 millis"

/** Creates the policy of a service. Create one for each service, because policies do not share breaker state. */
export const make = Effect.fnUntraced(function* <E>(options: Options<E>) {
  const { attempts, service } = options
  const timeout = Duration.fromInputUnsafe(options.timeout)
  const totalTimeout = Duration.fromInputUnsafe(options.totalTimeout)
  const metrics = yield* Metrics
  const breaker = yield* Breaker.make(service)

  const verdictOf = (error: E | Cause.TimeoutError) =>
    Cause.isTimeoutError(error) ? unanswered : options.verdict(error)

  /** Fails immediately instead of starting a delay that would end after the total timeout. */
  const retrySchedule = (
    retriable: ReadonlyArray<CallVerdict["retry"]>,
    isInTime: (delay: Duration.Duration) => boolean,
  ) =>
    Schedule.exponential(firstRetryDelay).pipe(
      Schedule.jittered,
      Schedule.setInputType<E | Cause.TimeoutError>(),
      Schedule.addDelay(({ input, now }) => Effect.succeed(delayOf(verdictOf(input), now))),
      Schedule.upTo({ times: attempts - 1 }),
      Schedule.while(
        ({ duration, input }) => retriable.includes(verdictOf(input).retry) && isInTime(duration),
      ),
    )

  const call =
    (retriable: ReadonlyArray<CallVerdict["retry"]>): Call<E> =>
    (operation) =>
    (self) =>
      Effect.clockWith((clock) => {
        let attemptsMade = 0
        const started = steadyMillis(clock)
        const elapsed = () => steadyMillis(clock) - started
        const isInTime = (delay: Duration.Duration) =>
          elapsed() + Duration.toMillis(delay) < Duration.toMillis(totalTimeout)
        const attempt = Effect.suspend(() => {
          attemptsMade += 1
          return Effect.timeout(self, timeout)
        })
        const attemptAll = attempt.pipe(
          Effect.retry(retrySchedule(retriable, isInTime)),
          abandonAfter(totalTimeout),
          Effect.onExit((exit) =>
            Effect.sync(() => {
              // An interrupted call says nothing about the service. Calls rejected by the breaker never get here.
              if (Exit.hasInterrupts(exit)) return
              const status = Exit.isSuccess(exit) ? "success" : "error"
              metrics.externalCall(service, operation, status, elapsed() / 1000)
            }),
          ),
        )
        return breaker.state.pipe(
          Effect.tap((state) => Effect.annotateCurrentSpan({ breaker: state })),
          Effect.andThen(breaker.guard(attemptAll, verdictOf)),
          Effect.mapError((error) =>
            Cause.isTimeoutError(error)
              ? new ExternalServiceError({ service, cause: error })
              : error,
          ),
          Effect.ensuring(
            Effect.suspend(() => Effect.annotateCurrentSpan({ attempts: attemptsMade })),
          ),
          Effect.withSpan(
            `${service}.${operation}`,
            { kind: "client", attributes: { "peer.service": service, operation } },
            { captureStackTrace: false },
          ),
        )
      })

  return {
    repeatable: call(["always", "if_repeatable"]),
    once: call(["always"]),
    openFor: breaker.openFor,
  } satisfies Policy<E>
})

/**
 * Like `Effect.timeout`, but does not wait for the interrupted effect to end. An uninterruptible part would block the
 * caller, and the breaker's trial call, for as long as it takes.
 */
const abandonAfter =
  (duration: Duration.Duration) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Cause.TimeoutError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(self, { startImmediately: true }), (fiber) =>
        restore(Effect.timeout(Fiber.join(fiber), duration)).pipe(
          Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe())),
        ),
      ),
    )
