import { Context, Duration, Effect, Layer, Option, Schema, Scope } from "effect"
import type { Redis as EffectRedis } from "effect/persistence"
import { BoundedMap } from "./BoundedMap.ts"
import { Metrics } from "./Metrics.ts"
import { Redis } from "./Redis.ts"
import * as SingleFlight from "./SingleFlight.ts"
import { currentSteadyMillis } from "./SteadyClock.ts"

/** Values of one kind, under names that no other kind has. */
export interface Kind<A> {
  /** Also the `cache_type` of its metrics. */
  readonly name: string
  /** Kept as JSON. What does not fit, from an older version or damaged, is not there. */
  readonly schema: Schema.Codec<A, unknown>
  readonly ttl: Duration.Input
}

export interface Entries<A, E> {
  readonly get: (key: string) => Effect.Effect<Option.Option<A>>
  readonly set: (key: string, value: A) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
  /** Loads what is not there, once for all of this process who ask for it meanwhile. A failure is not kept. */
  readonly getOrSet: <R>(key: string, load: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * What may be forgotten at any time, shared by all processes when there is a Redis. It cannot fail: a Redis that is
 * away holds nothing.
 */
export class Cache extends Context.Service<
  Cache,
  { readonly of: <A, E = never>(kind: Kind<A>) => Effect.Effect<Entries<A, E>> }
>()("plinth/core/Cache") {
  static readonly layerMemory = Layer.effect(
    this,
    Effect.suspend(() => make(memory())),
  )

  static readonly layer = Layer.unwrap(
    Effect.map(Redis, (connection) =>
      connection === null ? this.layerMemory : Layer.effect(this, make(shared(connection.redis))),
    ),
  )
}

interface Store {
  readonly get: (key: string) => Effect.Effect<string | null>
  readonly set: (key: string, text: string, ttl: number) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
}

const make = Effect.fnUntraced(function* (store: Store) {
  const metrics = yield* Metrics
  const scope = yield* Effect.scope

  const entriesOf = Effect.fnUntraced(function* <A, E>({ name, schema, ttl }: Kind<A>) {
    const json = Schema.fromJsonString(schema)
    const decode = Schema.decodeUnknownOption(json)
    const encode = Schema.encodeEffect(json)
    const millis = Duration.toMillis(ttl)
    const alone = yield* SingleFlight.make<A, E>()
    const keyOf = (key: string) => `${name}:${key}`

    const get = (key: string) =>
      Effect.map(store.get(keyOf(key)), (text) => {
        const value = text === null ? Option.none<A>() : decode(text)
        metrics.cacheLookup(name, Option.isSome(value))
        return value
      })
    const set = (key: string, value: A) =>
      Effect.flatMap(Effect.orDie(encode(value)), (text) => store.set(keyOf(key), text, millis))

    return {
      get,
      set,
      remove: (key) => store.remove(keyOf(key)),
      getOrSet: (key, load) =>
        Effect.flatMap(
          get(key),
          Option.match({
            onSome: (value) => Effect.succeed(value),
            onNone: () =>
              alone(
                key,
                Effect.tap(load, (value) => set(key, value)),
              ),
          }),
        ),
    } satisfies Entries<A, E>
  })

  return Cache.of({ of: (kind) => Effect.provideService(entriesOf(kind), Scope.Scope, scope) })
})

/** Redis forgets by itself. */
const shared = (redis: EffectRedis.Redis["Service"]): Store => ({
  get: (key) => Effect.orElseSucceed(redis.send<string | null>("GET", prefix + key), () => null),
  set: (key, text, ttl) => Effect.ignore(redis.send("SET", prefix + key, text, "PX", String(ttl))),
  remove: (key) => Effect.ignore(redis.send("DEL", prefix + key)),
})

const prefix = "plinth:cache:"

const maxEntries = 10_000

const memory = (): Store => {
  const all = new BoundedMap<string, { readonly text: string; readonly ends_at: number }>(
    maxEntries,
  )
  return {
    get: (key) =>
      Effect.map(currentSteadyMillis, (now) => {
        const entry = all.get(key)
        return entry !== undefined && now < entry.ends_at ? entry.text : null
      }),
    set: (key, text, ttl) =>
      Effect.map(currentSteadyMillis, (now) => {
        all.set(key, { text, ends_at: now + ttl })
      }),
    remove: (key) => Effect.sync(() => all.delete(key)),
  }
}
