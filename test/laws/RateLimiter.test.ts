import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as FastCheck from "fast-check"
import { RateLimiter, type LimitDecision } from "../../src/core/shared/RateLimiter.ts"
import { Redis } from "../../src/core/shared/Redis.ts"
import type { Rate } from "../../src/domain/Rate.ts"
import { alone, anotherProcess, shared, untilBack } from "../fixtures/Processes.ts"
import { hasProgram } from "../Programs.ts"
import { RedisServer, sleep } from "../RedisServer.ts"

const perMinute = (limit: number): Rate => ({ limit, seconds: 60 })

const take = (key: string, rate: Rate) =>
  Effect.flatMap(RateLimiter, (limiter) => limiter.take(key, rate))

/** How many of so many calls at once are allowed. */
const allowed = <R>(count: number, call: Effect.Effect<LimitDecision, never, R>) =>
  Effect.map(
    Effect.replicateEffect(call, count, { concurrency: "unbounded" }),
    (verdicts) => verdicts.filter(({ isAllowed }) => isAllowed).length,
  )

/** What holds for every layer. `wait` lets so many milliseconds pass on its clock. */
const laws = (
  it: Vitest.MethodsNonLive<RateLimiter>,
  wait: (millis: number) => Effect.Effect<void>,
) => {
  it.effect("allows exactly the limit of twice as many calls at once", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* allowed(40, take("twice", perMinute(20))), 20)
      assert.strictEqual(yield* allowed(40, take("twice", perMinute(20))), 0)
    }),
  )

  it.effect("counts each key for itself", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* allowed(3, take("one", perMinute(2))), 2)
      assert.strictEqual(yield* allowed(3, take("other", perMinute(2))), 2)
    }),
  )

  it.effect("tells how many calls remain, down to none", () =>
    Effect.gen(function* () {
      const verdicts = yield* Effect.replicateEffect(take("remaining", perMinute(3)), 4)
      assert.deepStrictEqual(
        verdicts.map(({ isAllowed, remaining }) => [isAllowed, remaining]),
        [
          [true, 2],
          [true, 1],
          [true, 0],
          [false, 0],
        ],
      )
    }),
  )

  it.effect("tells a refused call how long to wait, and that is true", () =>
    Effect.gen(function* () {
      const rate = { limit: 7, seconds: 1 }
      assert.strictEqual(yield* allowed(7, take("wait", rate)), 7)
      const refused = yield* take("wait", rate)
      assert.isFalse(refused.isAllowed)
      yield* wait(refused.reset_after)
      // All of them are back, not just one.
      assert.strictEqual(yield* allowed(14, take("wait", rate)), 7)
    }),
  )

  it.effect("does not make a refused call wait longer for asking again", () =>
    Effect.gen(function* () {
      const rate = perMinute(2)
      yield* allowed(2, take("patience", rate))
      const first = yield* take("patience", rate)
      yield* allowed(20, take("patience", rate))
      assert.isAtMost((yield* take("patience", rate)).reset_after, first.reset_after)
    }),
  )

  it.effect("takes any text as a key", () =>
    Effect.gen(function* () {
      for (const key of ["", " ", "a\r\nDEL b", "\0", "💥", "k".repeat(4000)]) {
        assert.strictEqual(yield* allowed(2, take(key, perMinute(1))), 1)
      }
    }),
  )
}

layer(alone)("Limits of one process", (it) => {
  laws(it, (millis) => TestClock.adjust(millis))

  it.effect("hold for every history of calls, also while the system's clock steps back", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<RateLimiter>()
      let histories = 0
      const call = FastCheck.record({
        wait: FastCheck.nat({ max: 20_000 }),
        back: FastCheck.option(FastCheck.nat({ max: 7_200_000 }), { nil: 0, freq: 3 }),
      })
      const calls = FastCheck.array(call, { maxLength: 60 })
      const property = FastCheck.asyncProperty(
        calls,
        FastCheck.integer({ min: 1, max: 6 }),
        history,
      )
      function history(
        waits: ReadonlyArray<{ readonly wait: number; readonly back: number }>,
        limit: number,
      ) {
        histories += 1
        return Effect.gen(function* () {
          const rate = perMinute(limit)
          const passed: Array<number> = []
          let now = 0
          let untilThen = 0
          for (const { back, wait } of waits) {
            yield* TestClock.adjust(wait)
            now += wait
            yield* TestClock.setTime((yield* Clock.currentTimeMillis) - back)
            const { isAllowed, remaining, reset_after } = yield* take(`${histories}`, rate)
            if (isAllowed) passed.push(now)
            assert.isAtMost(reset_after, 60_000)
            // A refusal holds until it said, and not longer.
            assert.strictEqual(isAllowed, now >= untilThen)
            untilThen = isAllowed && remaining > 0 ? 0 : now + reset_after
          }
          // Two windows may meet, three may not.
          for (const at of passed) {
            const within = passed.filter((one) => one >= at && one < at + 60_000)
            assert.isAtMost(within.length, 2 * limit)
          }
        }).pipe(Effect.runPromiseWith(context))
      }
      yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 50 }))
    }),
  )
})

describe.skipIf(!hasProgram("redis"))("Redis", () => {
  layer(shared, { excludeTestServices: true })("Limits that processes share", (it) => {
    laws(it, sleep)

    it.effect("are exact over two processes", () =>
      Effect.gen(function* () {
        const other = yield* anotherProcess
        const call = take("both", perMinute(30))
        const [here, there] = yield* Effect.all(
          [allowed(30, call), Effect.provide(allowed(30, call), other)],
          { concurrency: "unbounded" },
        )
        assert.strictEqual(here + there, 30)
      }),
    )

    it.effect("leave nothing behind", () =>
      Effect.gen(function* () {
        const connection = yield* Redis
        yield* allowed(3, take("gone", { limit: 20, seconds: 1 }))
        assert.strictEqual(yield* remembered(connection), 1)
        yield* sleep(200)
        assert.strictEqual(yield* remembered(connection), 0)
      }),
    )

    it.effect("go on for each process by itself while Redis is away, and together after", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        const other = yield* anotherProcess
        const call = take("away", perMinute(5))
        yield* redis.kill
        assert.strictEqual(yield* allowed(10, call), 5)
        assert.strictEqual(yield* Effect.provide(allowed(10, call), other), 5)
        yield* redis.start
        yield* untilBack
        yield* Effect.provide(untilBack, other)
        assert.strictEqual(yield* allowed(4, call), 4)
        assert.strictEqual(yield* Effect.provide(allowed(4, call), other), 1)
      }),
    )

    it.effect("do not hang with Redis", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        yield* redis.freeze
        assert.strictEqual(yield* allowed(10, take("frozen", perMinute(5))), 5)
        // The connection has been given up: nobody waits again.
        assert.strictEqual(yield* allowed(100, take("frozen again", perMinute(5))), 5)
        yield* redis.thaw
        yield* untilBack
      }),
    )
  })
})

const remembered = (connection: Redis["Service"]) =>
  connection === null
    ? Effect.die("no Redis")
    : Effect.map(
        connection.redis.send<ReadonlyArray<string>>("KEYS", "plinth:limit:*gone"),
        (keys) => keys.length,
      )
