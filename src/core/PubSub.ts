import { Context, Effect, Layer, Queue, type Scope } from "effect"
import { Redis } from "./Redis.ts"
import { uuidV7 } from "./Uuid.ts"

/** Told as the message comes: must be quick, and must not throw. */
type Listener = (message: string) => void

/**
 * Messages to whoever listens now, in this process and in all others. Nothing is kept: who is not there, or cut off
 * from Redis, misses it. So it carries hints and live updates, never what must not be lost.
 */
export class PubSub extends Context.Service<
  PubSub,
  {
    /** Heard here before this ends; without Redis, here alone. */
    readonly publish: (channel: string, message: string) => Effect.Effect<void>
    /** Until the scope closes, each message once and in the order of its publisher. */
    readonly subscribe: (
      channel: string,
      listener: Listener,
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/PubSub") {
  static readonly layerMemory = Layer.sync(this, () => {
    const here = new Listeners()
    return {
      publish: (channel, message) => Effect.sync(() => here.tell(channel, message)),
      subscribe: (channel, listener) => here.listen(channel, listener),
    }
  })

  static readonly layer = Layer.unwrap(
    Effect.map(Redis, (connection) => {
      if (connection === null) return this.layerMemory
      const { redis } = connection

      return Layer.sync(this, () => {
        const here = new Listeners()
        // Those of our own that come back to us have been told already.
        const ours = `${uuidV7()} `

        const fromOthers = Effect.fnUntraced(function* (channel: string, listener: Listener) {
          const incoming = yield* redis.subscribe(prefix + channel)
          yield* Queue.take(incoming).pipe(
            Effect.map(({ message }) => {
              if (!message.startsWith(ours)) listener(message.slice(ours.length))
            }),
            Effect.forever,
            Effect.ignore,
            Effect.forkScoped,
          )
        })

        return {
          publish: (channel, message) =>
            Effect.suspend(() => {
              here.tell(channel, message)
              return Effect.ignore(redis.send("PUBLISH", prefix + channel, ours + message))
            }),
          subscribe: (channel, listener) =>
            Effect.andThen(here.listen(channel, listener), fromOthers(channel, listener)),
        }
      })
    }),
  )
}

const prefix = "plinth:"

class Listeners {
  private readonly all = new Map<string, Set<{ readonly tell: Listener }>>()

  tell(channel: string, message: string) {
    for (const { tell } of this.all.get(channel) ?? []) tell(message)
  }

  listen(channel: string, tell: Listener) {
    const listener = { tell }
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.all.set(channel, (this.all.get(channel) ?? new Set()).add(listener))
      }),
      () =>
        Effect.sync(() => {
          const others = this.all.get(channel)
          others?.delete(listener)
          if (others?.size === 0) this.all.delete(channel)
        }),
    )
  }
}
