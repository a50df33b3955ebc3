import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Schedule, Stream } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { CircuitState } from "../telemetry/metrics/ExternalMetrics.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { steady } from "../SteadyClock.ts"
import { delayOf, type CallVerdict } from "./CallVerdict.ts"

/** Opens when half of the last 20 calls failed, with a minimum of 5 calls. */
const tripPolicy = CircuitBreaker.rate({ threshold: 0.5, minimumCalls: 5, size: 20 })
/** Stays open for 5, 10, 20 and then 30 s, or for as long as the service's `Retry-After`, up to `maxOpenDuration`. */
const openDuration = Schedule.min([
  Schedule.exponential("5 seconds"),
  Schedule.spaced("30 seconds"),
])
const maxOpenDuration = "1 minute"

/**
 * The circuit breaker of a service, local to this process. While open, it rejects calls. Then it lets one call through,
 * whose result closes or reopens it. Only failures with the fault `theirs` count: not bad input, defects or interrupted
 * callers.
 */
export const make = Effect.fnUntraced(function* (service: string) {
  const metrics = yield* Metrics
  // Expiry of an idle breaker would close it without a transition, and the metric would stay at open.
  const store = CircuitBreaker.layerStoreMemory({ idleTimeToLive: Duration.infinity })
  const breaker = yield* Effect.provide(
    CircuitBreaker.make({ tripPolicy, openDuration, maxOpenDuration }),
    yield* Layer.build(store),
  )

  metrics.circuitBreaker(service, "closed")
  yield* breaker.transitions.pipe(
    Stream.runForEach((transition) => {
      metrics.circuitBreaker(service, states[transition.to])
      return logTransition(service, transition)
    }),
    Effect.forkScoped({ startImmediately: true }),
  )

  // The in-memory store never fails.
  const currentState = withSteadyClock(() => Effect.orDie(breaker.state(service)))

  return {
    /** An open breaker remains in state open after its time has passed, until the next call. */
    state: Effect.map(currentState, ({ _tag }) => states[_tag]),

    /** The time until the breaker lets a call through. */
    openFor: Effect.map(currentState, (state) =>
      state._tag === "Open" ? state.retryAfter : Duration.zero,
    ),

    /**
     * Fails with `ServiceUnavailableError` if the breaker rejects the call. The error has no `retry_after` while a
     * trial call is running.
     */
    guard: <A, E, R>(self: Effect.Effect<A, E, R>, verdictOf: (error: E) => CallVerdict) =>
      Effect.mapError(
        withSteadyClock((clock) =>
          breaker.execute(Effect.provideService(self, Clock.Clock, clock), {
            key: service,
            classify: (exit) => Effect.map(clock.currentTimeMillis, outcomeFrom(exit, verdictOf)),
          }),
        ),
        (error) =>
          error instanceof CircuitBreaker.CircuitBreakerError
            ? toUnavailable(service, error)
            : error,
      ),
  }
})

/** Provides the steady clock: if the system clock stepped back, an open breaker would stay open longer by that step. */
const withSteadyClock = <A, E, R>(self: (clock: Clock.Clock) => Effect.Effect<A, E, R>) =>
  Effect.clockWith((clock) => Effect.provideService(self(clock), Clock.Clock, steady(clock)))

const outcomeFrom =
  <A, E>(exit: Exit.Exit<A, E>, verdictOf: (error: E) => CallVerdict) =>
  (now: number): CircuitBreaker.Outcome => {
    if (Exit.isSuccess(exit)) return CircuitBreaker.success
    const error = Cause.findErrorOption(exit.cause)
    const verdict = Option.isSome(error) ? verdictOf(error.value) : undefined
    return verdict?.fault === "theirs"
      ? CircuitBreaker.failure({ retryAfter: delayOf(verdict, now) })
      : CircuitBreaker.ignored
  }

const toUnavailable = (service: string, cause: CircuitBreaker.CircuitBreakerError) =>
  new ServiceUnavailableError({
    service,
    cause,
    ...(cause.reason._tag === "CircuitOpen" && {
      retry_after: Math.max(1, Math.ceil(Duration.toSeconds(cause.reason.retryAfter))),
    }),
  })

const states: Readonly<Record<CircuitBreaker.State["_tag"], CircuitState>> = {
  Closed: "closed",
  HalfOpen: "half_open",
  Open: "open",
}

/** Logs the start and the end of an outage, and not the trial calls in between. */
const logTransition = (external_service: string, { from, to }: CircuitBreaker.Transition) => {
  if (from === "Closed") {
    return Effect.logWarning("circuit breaker opened").pipe(
      Effect.annotateLogs({ external_service }),
    )
  }
  return to === "Closed"
    ? Effect.logInfo("circuit breaker closed").pipe(Effect.annotateLogs({ external_service }))
    : Effect.void
}
