import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Schedule, Stream } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { ServiceUnavailableError } from "../domain/Errors.ts"
import { type CircuitState, Metrics } from "./Metrics.ts"
import { steady } from "./SteadyClock.ts"
import { delayOf, type CallVerdict } from "./CallVerdict.ts"

/** Half of the last 20 calls, and not before there were 5. */
const tripPolicy = CircuitBreaker.rate({ threshold: 0.5, minimumCalls: 5, size: 20 })
/** 5, 10, 20 and from then on 30 s, or as long as the service asks for. */
const openDuration = Schedule.min([
  Schedule.exponential("5 seconds"),
  Schedule.spaced("30 seconds"),
])
const maxOpenDuration = "1 minute"

/**
 * The circuit breaker of a service, in the process. Open, it refuses calls; then one is let through, and what becomes
 * of that closes it or opens it again. Only calls that failed by a fault of theirs count: neither a bad input, nor a
 * defect, nor a caller who went away.
 */
export const make = Effect.fnUntraced(function* (service: string) {
  const metrics = yield* Metrics
  // A quiet breaker that is forgotten would be closed without a transition, and its metric would stay at open.
  const store = CircuitBreaker.layerStoreMemory({ idleTimeToLive: Duration.infinity })
  const breaker = yield* Effect.provide(
    CircuitBreaker.make({ tripPolicy, openDuration, maxOpenDuration }),
    yield* Layer.build(store),
  )

  metrics.circuitBreaker(service, "closed")
  yield* breaker.transitions.pipe(
    Stream.runForEach((transition) => {
      metrics.circuitBreaker(service, states[transition.to])
      return log(service, transition)
    }),
    Effect.forkScoped({ startImmediately: true }),
  )

  // The store in memory does not fail.
  const current = steadily(() => Effect.orDie(breaker.state(service)))

  return {
    /** Past its time, an open one stays open until the next call. */
    state: Effect.map(current, ({ _tag }) => states[_tag]),

    refusesFor: Effect.map(current, (state) =>
      state._tag === "Open" ? state.retryAfter : Duration.zero,
    ),

    /** `ServiceUnavailableError`: not called. `retry_after` unless another's call is about to decide. */
    guard: <A, E, R>(self: Effect.Effect<A, E, R>, verdictOf: (error: E) => CallVerdict) =>
      Effect.mapError(
        steadily((clock) =>
          breaker.execute(Effect.provideService(self, Clock.Clock, clock), {
            key: service,
            classify: (exit) => Effect.map(clock.currentTimeMillis, outcomeOf(exit, verdictOf)),
          }),
        ),
        (error) =>
          error instanceof CircuitBreaker.CircuitBreakerError ? refusal(service, error) : error,
      ),
  }
})

/** By the system's time, an open one would stay open for as long as that steps back. */
const steadily = <A, E, R>(self: (clock: Clock.Clock) => Effect.Effect<A, E, R>) =>
  Effect.clockWith((clock) => Effect.provideService(self(clock), Clock.Clock, steady(clock)))

const outcomeOf =
  <A, E>(exit: Exit.Exit<A, E>, verdictOf: (error: E) => CallVerdict) =>
  (now: number): CircuitBreaker.Outcome => {
    if (Exit.isSuccess(exit)) return CircuitBreaker.success
    const error = Cause.findErrorOption(exit.cause)
    const verdict = Option.isSome(error) ? verdictOf(error.value) : undefined
    return verdict?.fault === "theirs"
      ? CircuitBreaker.failure({ retryAfter: delayOf(verdict, now) })
      : CircuitBreaker.ignored
  }

const refusal = (service: string, cause: CircuitBreaker.CircuitBreakerError) =>
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

/** One line when an outage begins and one when it ends, none for what is tried in between. */
const log = (external_service: string, { from, to }: CircuitBreaker.Transition) => {
  if (from === "Closed") {
    return Effect.logWarning("Circuit breaker opened").pipe(
      Effect.annotateLogs({ external_service }),
    )
  }
  return to === "Closed"
    ? Effect.logInfo("Circuit breaker closed").pipe(Effect.annotateLogs({ external_service }))
    : Effect.void
}
