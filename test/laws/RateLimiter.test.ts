import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as FastCheck from "fast-check"
import { RateLimiter, type LimitDecision } from "../../src/core/shared/RateLimiter.ts"
import { Redis } from "../../src/core/shared/Redis.ts"
import type { Rate } from "../../src/domain/Rate.ts"
import { alone, anotherProcess, shared, untilBack } from "../fixtures/processes/Processes.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"

const perMinute = (limit: number): Rate => ({ limit, seconds: 60 })

const take = (key: string, rate: Rate) =>
  Effect.flatMap(RateLimiter, (limiter) => limiter.take(key, rate))

/** Counts the allowed ones of `count` concurrent calls. */
const countAllowed = <R>(count: number, call: Effect.Effect<LimitDecision, never, R>) =>
  Effect.map(
    Effect.replicateEffect(call, count, { concurrency: "unbounded" }),
    (verdicts) => verdicts.filter(({ isAllowed }) => isAllowed).length,
  )

/** Runs the laws of every layer. `wait` advances the layer's clock by the given milliseconds. */
const laws = (
  it: Vitest.MethodsNonLive<RateLimiter>,
  wait: (millis: number) => Effect.Effect<void>,
) => {
  it.effect("allows exactly the limit of twice as many concurrent calls", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countAllowed(40, take("twice", perMinute(20))), 20)
      assert.strictEqual(yield* countAllowed(40, take("twice", perMinute(20))), 0)
    }),
  )

  it.effect("counts each key separately", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* countAllowed(3, take("one", perMinute(2))), 2)
      assert.strictEqual(yield* countAllowed(3, take("other", perMinute(2))), 2)
    }),
  )

  it.effect("returns how many calls remain, down to zero", () =>
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

  it.effect("returns how long a refused call must wait, exactly", () =>
    Effect.gen(function* () {
      const rate = { limit: 7, seconds: 1 }
      assert.strictEqual(yield* countAllowed(7, take("wait", rate)), 7)
      const refused = yield* take("wait", rate)
      assert.isFalse(refused.isAllowed)
      yield* wait(refused.reset_after)
      // The whole limit is available again, not just one call.
      assert.strictEqual(yield* countAllowed(14, take("wait", rate)), 7)
    }),
  )

  it.effect("does not extend the wait when a refused call repeats", () =>
    Effect.gen(function* () {
      const rate = perMinute(2)
      yield* countAllowed(2, take("repeated", rate))
      const first = yield* take("repeated", rate)
      yield* countAllowed(20, take("repeated", rate))
      assert.isAtMost((yield* take("repeated", rate)).reset_after, first.reset_after)
    }),
  )

  it.effect("accepts any text as a key", () =>
    Effect.gen(function* () {
      for (const key of ["", " ", "a\r\nDEL b", "\0", "💥", "k".repeat(4000)]) {
        assert.strictEqual(yield* countAllowed(2, take(key, perMinute(1))), 1)
      }
    }),
  )
}

layer(alone)("RateLimiter of one process", (it) => {
  laws(it, (millis) => TestClock.adjust(millis))

  it.effect("keeps its limit for every history of calls, even if the system clock steps back", () =>
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
          let refusedUntil = 0
          for (const { back: stepBack, wait } of waits) {
            yield* TestClock.adjust(wait)
            now += wait
            yield* TestClock.setTime((yield* Clock.currentTimeMillis) - stepBack)
            const { isAllowed, remaining, reset_after } = yield* take(`${histories}`, rate)
            if (isAllowed) passed.push(now)
            assert.isAtMost(reset_after, 60_000)
            // A refusal lasts exactly until its reset_after.
            assert.strictEqual(isAllowed, now >= refusedUntil)
            refusedUntil = isAllowed && remaining > 0 ? 0 : now + reset_after
          }
          // A span of one window can touch two windows, but not three.
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
  layer(shared, { excludeTestServices: true })("RateLimiter shared through Redis", (it) => {
    laws(it, sleep)

    it.effect("is exact across two processes", () =>
      Effect.gen(function* () {
        const other = yield* anotherProcess
        const call = take("both", perMinute(30))
        const [here, there] = yield* Effect.all(
          [countAllowed(30, call), Effect.provide(countAllowed(30, call), other)],
          { concurrency: "unbounded" },
        )
        assert.strictEqual(here + there, 30)
      }),
    )

    it.effect("leaves no keys in Redis", () =>
      Effect.gen(function* () {
        const connection = yield* Redis
        yield* countAllowed(3, take("gone", { limit: 20, seconds: 1 }))
        assert.strictEqual(yield* storedKeys(connection), 1)
        yield* sleep(200)
        assert.strictEqual(yield* storedKeys(connection), 0)
      }),
    )

    it.effect(
      "limits each process separately while Redis is unreachable, and jointly afterwards",
      () =>
        Effect.gen(function* () {
          const redis = yield* RedisServer
          const other = yield* anotherProcess
          const call = take("away", perMinute(5))
          yield* redis.kill
          assert.strictEqual(yield* countAllowed(10, call), 5)
          assert.strictEqual(yield* Effect.provide(countAllowed(10, call), other), 5)
          yield* redis.start
          yield* untilBack
          yield* Effect.provide(untilBack, other)
          assert.strictEqual(yield* countAllowed(4, call), 4)
          assert.strictEqual(yield* Effect.provide(countAllowed(4, call), other), 1)
        }),
    )

    it.effect("does not hang when Redis does", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        yield* redis.freeze
        assert.strictEqual(yield* countAllowed(10, take("frozen", perMinute(5))), 5)
        // The connection was dropped: later calls do not wait.
        assert.strictEqual(yield* countAllowed(100, take("frozen again", perMinute(5))), 5)
        yield* redis.thaw
        yield* untilBack
      }),
    )
  })
})

const storedKeys = (connection: Redis["Service"]) =>
  connection === null
    ? Effect.die("no Redis")
    : Effect.map(
        connection.redis.send<ReadonlyArray<string>>("KEYS", "plinth:limit:*gone"),
        (keys) => keys.length,
      )
