import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Cache } from "../../src/core/shared/Cache.ts"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { alone, anotherProcess, shared, untilBack } from "../fixtures/processes/Processes.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"

const Thing = Schema.Struct({ name: Schema.String, size: Schema.NullOr(Schema.Int) })
const thing = { name: "größer 💥", size: null }

const things = (name: string, ttl = 60_000) =>
  Effect.flatMap(Cache, (cache) =>
    cache.of<typeof Thing.Type, "failed">({ name, schema: Thing, ttl }),
  )

/** Runs the laws of every layer. `wait` advances the layer's clock by the given milliseconds. */
const laws = (
  it: Vitest.MethodsNonLive<Cache | Metrics>,
  wait: (millis: number) => Effect.Effect<void>,
) => {
  it.effect("returns what was set, until it is removed", () =>
    Effect.gen(function* () {
      const cache = yield* things("set")
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
      yield* cache.set("a", thing)
      assert.deepStrictEqual(yield* cache.get("a"), Option.some(thing))
      assert.deepStrictEqual(yield* cache.get("A"), Option.none())
      yield* cache.remove("a")
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
    }),
  )

  it.effect("expires an entry after the kind's lifetime", () =>
    Effect.gen(function* () {
      const cache = yield* things("ttl", 100)
      yield* cache.set("a", thing)
      yield* wait(110)
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
    }),
  )

  it.effect("separates kinds", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* things("one"), yield* things("another")]
      yield* one.set("a", thing)
      assert.deepStrictEqual(yield* other.get("a"), Option.none())
    }),
  )

  it.effect("treats a value that does not fit the schema as a miss, and loads it again", () =>
    Effect.gen(function* () {
      const older = yield* Effect.flatMap(Cache, (cache) =>
        cache.of({ name: "corrupt", schema: Schema.Unknown, ttl: 60_000 }),
      )
      const cache = yield* things("corrupt")
      for (const corrupt of ["text", { name: 1 }, null, []]) {
        yield* older.set("a", corrupt)
        assert.deepStrictEqual(yield* cache.get("a"), Option.none())
        assert.deepStrictEqual(yield* cache.getOrSet("a", Effect.succeed(thing)), thing)
        assert.deepStrictEqual(yield* cache.get("a"), Option.some(thing))
      }
    }),
  )

  it.effect("loads once for 200 concurrent misses", () =>
    Effect.gen(function* () {
      const cache = yield* things("stampede")
      let loads = 0
      const load = Effect.sync(() => {
        loads += 1
        return { name: `load ${loads}`, size: loads }
      })
      const all = yield* Effect.replicateEffect(cache.getOrSet("a", load), 200, {
        concurrency: "unbounded",
      })
      assert.strictEqual(loads, 1)
      assert.isTrue(all.every(({ size }) => size === 1))
      yield* cache.getOrSet("a", load)
      assert.strictEqual(loads, 1)
    }),
  )

  it.effect("caches no failure, and returns it to every waiting caller", () =>
    Effect.gen(function* () {
      const cache = yield* things("failure")
      const failures = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.flip(cache.getOrSet("a", Effect.fail("failed" as const))),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual(failures, ["failed", "failed", "failed"])
      assert.deepStrictEqual(yield* cache.getOrSet("a", Effect.succeed(thing)), thing)
    }),
  )

  it.effect("continues loading for the others when the first caller is interrupted", () =>
    Effect.gen(function* () {
      const cache = yield* things("interrupted")
      const [started, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const load = Deferred.succeed(started, undefined).pipe(
        Effect.andThen(Deferred.await(gate)),
        Effect.as(thing),
      )
      const first = yield* Effect.forkChild(cache.getOrSet("a", load))
      yield* Deferred.await(started)
      const second = yield* Effect.forkChild(cache.getOrSet("a", Effect.die("a second load")), {
        startImmediately: true,
      })
      yield* Fiber.interrupt(first)
      yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Fiber.join(second), thing)
    }),
  )

  it.effect("counts hits and misses", () =>
    Effect.gen(function* () {
      const [cache, { render }] = [yield* things("counted"), yield* Metrics]
      yield* cache.get("a")
      yield* cache.getOrSet("a", Effect.succeed(thing))
      yield* cache.get("a")
      const text = yield* render
      assert.match(text, /^cache_hits_total\{cache_type="counted"\} 1$/m)
      assert.match(text, /^cache_misses_total\{cache_type="counted"\} 2$/m)
    }),
  )
}

layer(alone)("Cache of one process", (it) => {
  laws(it, (millis) => TestClock.adjust(millis))

  it.effect("expires on time when the system clock steps back", () =>
    Effect.gen(function* () {
      const cache = yield* things("stepped", 1000)
      yield* cache.set("a", thing)
      yield* TestClock.setTime(-3_600_000)
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(yield* cache.get("a"), Option.some(thing))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* cache.get("a"), Option.none())
    }),
  )

  it.effect("evicts the entry set longest ago beyond 10,000", () =>
    Effect.gen(function* () {
      const cache = yield* things("bounded")
      yield* Effect.forEach(
        Array.from({ length: 10_001 }, (_, n) => n),
        (n) => cache.set(`${n}`, thing),
      )
      assert.deepStrictEqual(yield* cache.get("0"), Option.none())
      assert.deepStrictEqual(yield* cache.get("10000"), Option.some(thing))
    }),
  )
})

describe.skipIf(!hasProgram("redis"))("Redis", () => {
  layer(shared, { excludeTestServices: true })("Cache shared through Redis", (it) => {
    laws(it, sleep)

    it.effect("is the same in every process", () =>
      Effect.gen(function* () {
        const other = yield* anotherProcess
        const [here, there] = [
          yield* things("one cache"),
          yield* Effect.provide(things("one cache"), other),
        ]
        yield* here.set("a", thing)
        assert.deepStrictEqual(yield* there.get("a"), Option.some(thing))
        yield* there.remove("a")
        assert.deepStrictEqual(yield* here.get("a"), Option.none())
      }),
    )

    it.effect("holds nothing while Redis is unreachable, and fails no call", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        const cache = yield* things("away")
        yield* cache.set("a", thing)
        yield* redis.kill
        assert.deepStrictEqual(yield* cache.get("a"), Option.none())
        yield* cache.set("a", thing)
        yield* cache.remove("a")
        assert.deepStrictEqual(yield* cache.getOrSet("a", Effect.succeed(thing)), thing)
        yield* redis.start
        yield* untilBack
        yield* cache.set("a", thing)
        assert.deepStrictEqual(yield* cache.get("a"), Option.some(thing))
      }),
    )
  })
})
