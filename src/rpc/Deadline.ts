import { Clock, Context, Duration, Effect } from "effect"
import { DeadlineExceededError } from "../domain/Errors.ts"

/** The time when the caller stops waiting, in ms of the monotonic clock. RPC calls send the remaining time along. */
export const Deadline = Context.Reference<number>("plinth/rpc/Deadline", {
  defaultValue: () => Number.POSITIVE_INFINITY,
})

/** The monotonic clock in ms; the wall clock may step back. */
export const monotonicMillis = Effect.map(
  Clock.clockWith((clock) => clock.monotonicTimeNanos),
  (nanos) => Number(nanos) / 1_000_000,
)

/**
 * Limits an effect to `timeout`, and to any enclosing deadline. After that the effect is interrupted, here and in every
 * service that it is calling, and fails with `DeadlineExceededError`.
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
