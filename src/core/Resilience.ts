import { Cause, Duration, Effect, Exit, Fiber, Schedule, type Tracer } from "effect"
import { ExternalServiceError, type ServiceUnavailableError } from "../domain/Errors.ts"
import * as Breaker from "./Breaker.ts"
import { Metrics } from "./Metrics.ts"
import { steadyMillis } from "./SteadyClock.ts"
import { delayOf, unanswered, type CallVerdict } from "./CallVerdict.ts"

/**
 * How somebody else's service is called: attempts bounded in time and number, inside a circuit breaker. Fails with
 * what the last attempt failed with; with `ExternalServiceError` when there was no answer in time; and with
 * `ServiceUnavailableError`, without a call, while the breaker is open.
 */
export interface Policy<E> {
  /** For what may happen twice: reads, and writes that carry an idempotency key. */
  readonly repeatable: Call<E>
  /** For what may not: attempted again only after a failure which says that nothing was done. */
  readonly once: Call<E>
  /** How long the breaker will let nobody through, seen from now. */
  readonly refusesFor: Effect.Effect<Duration.Duration>
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
  /** For one attempt. */
  readonly timeout: Duration.Input
  /** For all attempts and the waits between them; what cannot be interrupted is left alone then. */
  readonly within: Duration.Input
  readonly attempts: number
  readonly verdict: (error: E) => CallVerdict
}

/** Doubles with each attempt, and is a fifth longer or shorter by chance. */
const firstWait = "200 millis"

/** One for each service: two would not know of each other's failures. */
export const make = Effect.fnUntraced(function* <E>(options: Options<E>) {
  const { attempts, service } = options
  const timeout = Duration.fromInputUnsafe(options.timeout)
  const within = Duration.fromInputUnsafe(options.within)
  const metrics = yield* Metrics
  const breaker = yield* Breaker.make(service)

  const verdictOf = (error: E | Cause.TimeoutError) =>
    Cause.isTimeoutError(error) ? unanswered : options.verdict(error)

  /** A wait that would end too late is not begun: the failure is told at once. */
  const waits = (
    retried: ReadonlyArray<CallVerdict["retry"]>,
    isInTime: (wait: Duration.Duration) => boolean,
  ) =>
    Schedule.exponential(firstWait).pipe(
      Schedule.jittered,
      Schedule.setInputType<E | Cause.TimeoutError>(),
      Schedule.addDelay(({ input, now }) => Effect.succeed(delayOf(verdictOf(input), now))),
      Schedule.upTo({ times: attempts - 1 }),
      Schedule.while(
        ({ duration, input }) => retried.includes(verdictOf(input).retry) && isInTime(duration),
      ),
    )

  const call =
    (retried: ReadonlyArray<CallVerdict["retry"]>): Call<E> =>
    (operation) =>
    (self) =>
      Effect.clockWith((clock) => {
        let made = 0
        const started = steadyMillis(clock)
        const elapsed = () => steadyMillis(clock) - started
        const isInTime = (wait: Duration.Duration) =>
          elapsed() + Duration.toMillis(wait) < Duration.toMillis(within)
        const attempt = Effect.suspend(() => {
          made += 1
          return Effect.timeout(self, timeout)
        })
        const all = attempt.pipe(
          Effect.retry(waits(retried, isInTime)),
          leftAfter(within),
          Effect.onExit((exit) =>
            Effect.sync(() => {
              // A call that nobody waited for tells nothing of the service; nor does one that was refused, further out.
              if (Exit.hasInterrupts(exit)) return
              const status = Exit.isSuccess(exit) ? "success" : "error"
              metrics.externalCall(service, operation, status, elapsed() / 1000)
            }),
          ),
        )
        return breaker.state.pipe(
          Effect.tap((state) => Effect.annotateCurrentSpan({ breaker: state })),
          Effect.andThen(breaker.guard(all, verdictOf)),
          Effect.mapError((error) =>
            Cause.isTimeoutError(error)
              ? new ExternalServiceError({ service, cause: error })
              : error,
          ),
          Effect.ensuring(Effect.suspend(() => Effect.annotateCurrentSpan({ attempts: made }))),
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
    refusesFor: breaker.refusesFor,
  } satisfies Policy<E>
})

/**
 * `Effect.timeout` waits for the end of what it interrupts. Here that would hold the caller, and the one call that a
 * breaker lets through, for as long as a part that cannot be interrupted takes.
 */
const leftAfter =
  (duration: Duration.Duration) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | Cause.TimeoutError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(self, { startImmediately: true }), (fiber) =>
        restore(Effect.timeout(Fiber.join(fiber), duration)).pipe(
          Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe())),
        ),
      ),
    )
