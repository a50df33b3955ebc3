import { Context, Effect, Layer, Queue, type Scope } from "effect"
import { Redis } from "./Redis.ts"
import { uuidV7 } from "../Uuid.ts"

/** Called synchronously for each message: must be fast and must not throw. */
type Listener = (message: string) => void

/**
 * Messages to the current subscribers in all processes. Messages are not stored: a process that is not running, or is
 * disconnected from Redis, misses them. Use it for hints and live updates, never for data that must not be lost.
 */
export class PubSub extends Context.Service<
  PubSub,
  {
    /** Delivers to this process before it returns, to others by Redis; without Redis, only to this process. */
    readonly publish: (channel: string, message: string) => Effect.Effect<void>
    /** Delivers each message once, in the order of its publisher, until the scope closes. */
    readonly subscribe: (
      channel: string,
      listener: Listener,
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>()("plinth/core/shared/PubSub") {
  static readonly layerMemory = Layer.sync(this, () => {
    const local = new Listeners()
    return {
      publish: (channel, message) => Effect.sync(() => local.notify(channel, message)),
      subscribe: (channel, listener) => local.listen(channel, listener),
    }
  })

  static readonly layer = Layer.unwrap(
    Effect.map(Redis, (connection) => {
      if (connection === null) return this.layerMemory
      const { redis } = connection

      return Layer.sync(this, () => {
        const local = new Listeners()
        // Marks messages of this process, which Redis returns to it: they were delivered already.
        const ownPrefix = `${uuidV7()} `

        const fromOthers = Effect.fnUntraced(function* (channel: string, listener: Listener) {
          const incoming = yield* redis.subscribe(channelPrefix + channel)
          yield* Queue.take(incoming).pipe(
            Effect.map(({ message }) => {
              if (!message.startsWith(ownPrefix)) listener(message.slice(ownPrefix.length))
            }),
            Effect.forever,
            Effect.ignore,
            Effect.forkScoped,
          )
        })

        return {
          publish: (channel, message) =>
            Effect.suspend(() => {
              local.notify(channel, message)
              return Effect.ignore(
                redis.send("PUBLISH", channelPrefix + channel, ownPrefix + message),
              )
            }),
          subscribe: (channel, listener) =>
            Effect.andThen(local.listen(channel, listener), fromOthers(channel, listener)),
        }
      })
    }),
  )
}

const channelPrefix = "plinth:"

class Listeners {
  private readonly byChannel = new Map<string, Set<{ readonly call: Listener }>>()

  notify(channel: string, message: string) {
    for (const { call } of this.byChannel.get(channel) ?? []) call(message)
  }

  listen(channel: string, call: Listener) {
    // An object of its own, so that one function may subscribe twice.
    const listener = { call }
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.byChannel.set(channel, (this.byChannel.get(channel) ?? new Set()).add(listener))
      }),
      () =>
        Effect.sync(() => {
          const others = this.byChannel.get(channel)
          others?.delete(listener)
          if (others?.size === 0) this.byChannel.delete(channel)
        }),
    )
  }
}
