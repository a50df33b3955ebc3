import { Context, Duration, Effect, Layer, Option, Schema, Scope } from "effect"
import type { Redis as EffectRedis } from "effect/persistence"
import { BoundedMap } from "../BoundedMap.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { Redis } from "./Redis.ts"
import * as SingleFlight from "../outbound/SingleFlight.ts"
import { currentSteadyMillis } from "../SteadyClock.ts"

/** One kind of cached values, with its own namespace of keys. */
export interface Kind<A> {
  /** The prefix of its keys, and the `cache_type` of its metrics. */
  readonly name: string
  /** Values are stored as JSON. A value that does not decode, because of another version or damage, is a miss. */
  readonly schema: Schema.Codec<A, unknown>
  readonly ttl: Duration.Input
}

interface Entries<A, E> {
  readonly get: (key: string) => Effect.Effect<Option.Option<A>>
  readonly set: (key: string, value: A) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
  /** Returns the cached value, or loads it, once for concurrent callers in this process. Failures are not cached. */
  readonly getOrSet: <R>(key: string, load: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * A cache that may lose any entry at any time, shared by all processes if Redis is configured. It never fails: while
 * Redis is unreachable, every lookup is a miss.
 */
export class Cache extends Context.Service<
  Cache,
  { readonly of: <A, E = never>(kind: Kind<A>) => Effect.Effect<Entries<A, E>> }
>()("plinth/core/shared/Cache") {
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
  readonly set: (key: string, text: string, ttlMs: number) => Effect.Effect<void>
  readonly remove: (key: string) => Effect.Effect<void>
}

const make = Effect.fnUntraced(function* (store: Store) {
  const metrics = yield* Metrics
  const scope = yield* Effect.scope

  const entriesOf = Effect.fnUntraced(function* <A, E>({ name, schema, ttl }: Kind<A>) {
    const json = Schema.fromJsonString(schema)
    const decode = Schema.decodeUnknownOption(json)
    const encode = Schema.encodeEffect(json)
    const ttlMs = Duration.toMillis(ttl)
    const loadOnce = yield* SingleFlight.make<A, E>()
    const keyOf = (key: string) => `${name}:${key}`

    const get = (key: string) =>
      Effect.map(store.get(keyOf(key)), (text) => {
        const value = text === null ? Option.none<A>() : decode(text)
        metrics.cacheLookup(name, Option.isSome(value))
        return value
      })
    const set = (key: string, value: A) =>
      Effect.flatMap(Effect.orDie(encode(value)), (text) => store.set(keyOf(key), text, ttlMs))

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
              loadOnce(
                key,
                Effect.tap(load, (value) => set(key, value)),
              ),
          }),
        ),
    } satisfies Entries<A, E>
  })

  return Cache.of({ of: (kind) => Effect.provideService(entriesOf(kind), Scope.Scope, scope) })
})

/** A store in Redis, which expires entries itself. */
const shared = (redis: EffectRedis.Redis["Service"]): Store => ({
  get: (key) => Effect.orElseSucceed(redis.send<string | null>("GET", keyPrefix + key), () => null),
  set: (key, text, ttlMs) =>
    Effect.ignore(redis.send("SET", keyPrefix + key, text, "PX", String(ttlMs))),
  remove: (key) => Effect.ignore(redis.send("DEL", keyPrefix + key)),
})

const keyPrefix = "plinth:cache:"

const maxEntries = 10_000

/** A store in memory. */
const memory = (): Store => {
  const byKey = new BoundedMap<string, { readonly text: string; readonly expiresAt: number }>(
    maxEntries,
  )
  return {
    get: (key) =>
      Effect.map(currentSteadyMillis, (now) => {
        const entry = byKey.get(key)
        return entry !== undefined && now < entry.expiresAt ? entry.text : null
      }),
    set: (key, text, ttlMs) =>
      Effect.map(currentSteadyMillis, (now) => {
        byKey.set(key, { text, expiresAt: now + ttlMs })
      }),
    remove: (key) => Effect.sync(() => byKey.delete(key)),
  }
}
