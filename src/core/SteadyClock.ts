import { type Clock, Effect } from "effect"

/**
 * Milliseconds that no correction of the system's time moves, back or forth: for ages and deadlines that stay in this
 * process. They mean nothing to another process, nor in a database.
 */
export const steadyMillis = (clock: Clock.Clock) =>
  Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

export const currentSteadyMillis = Effect.clockWith((clock) => Effect.succeed(steadyMillis(clock)))

/** A clock that tells steady milliseconds, for parts of others that ask the clock themselves. */
export const steady = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => steadyMillis(clock),
  currentTimeMillis: Effect.sync(() => steadyMillis(clock)),
  currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
})
