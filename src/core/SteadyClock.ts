import { type Clock, Effect } from "effect"

/**
 * Milliseconds of a monotonic clock, unaffected by corrections of the system time, for ages and deadlines within this
 * process. They have no meaning in another process or in a database.
 */
export const steadyMillis = (clock: Clock.Clock) =>
  Math.floor(Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000)

export const currentSteadyMillis = Effect.clockWith((clock) => Effect.succeed(steadyMillis(clock)))

/** A `Clock` with steady milliseconds, for library code that reads the clock itself. */
export const steady = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => steadyMillis(clock),
  currentTimeMillis: Effect.sync(() => steadyMillis(clock)),
  currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
})
