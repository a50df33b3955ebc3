import { Deferred, Effect } from "effect"

/**
 * Returns a function that runs one effect per key at a time: callers that arrive while it runs share its exit. The
 * effect runs in the current scope of `make`, so that it survives the interruption of its first caller.
 */
export const make = <A, E>() =>
  Effect.map(Effect.scope, (scope) => {
    const running = new Map<string, Deferred.Deferred<A, E>>()

    return <R>(key: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.uninterruptibleMask((restore) => {
        const inFlight = running.get(key)
        if (inFlight !== undefined) return restore(Deferred.await(inFlight))
        const result = Deferred.makeUnsafe<A, E>()
        running.set(key, result)
        return Effect.interruptible(effect).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              running.delete(key)
              Deferred.doneUnsafe(result, exit)
            }),
          ),
          Effect.forkIn(scope),
          Effect.andThen(restore(Deferred.await(result))),
        )
      })
  })
