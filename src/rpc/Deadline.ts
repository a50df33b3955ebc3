import { Clock, Context, Duration, Effect } from "effect"
import { DeadlineExceededError } from "../domain/Errors.ts"

/** When the one who waits stops waiting, in ms of the monotonic clock. A call tells the service how long that is. */
export const Deadline = Context.Reference<number>("plinth/rpc/Deadline", {
  defaultValue: () => Number.POSITIVE_INFINITY,
})

/** In ms of the monotonic clock: the other one may step back. */
export const monotonicMillis = Effect.map(
  Clock.clockWith((clock) => clock.monotonicTimeNanos),
  (nanos) => Number(nanos) / 1_000_000,
)

/**
 * No longer than this, nor than a deadline around it. What goes on then is interrupted, here and in every service that
 * is being called.
 */
export const withDeadline =
  (timeout: Duration.Input) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceededError, R> =>
    Effect.gen(function* () {
      const now = yield* monotonicMillis
      const remainingMs = Math.max(0, Math.min(Duration.toMillis(timeout), (yield* Deadline) - now))
      return yield* effect.pipe(
        Effect.provideService(Deadline, now + remainingMs),
        Effect.timeoutOrElse({
          duration: remainingMs,
          orElse: () =>
            Effect.fail(new DeadlineExceededError({ timeout_ms: Math.round(remainingMs) })),
        }),
      )
    })
