import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Logger } from "effect"
import { Headers } from "effect/http"
import { TestClock } from "effect/testing"
import { unusable } from "../../../src/core/outbound/CallVerdict.ts"
import { badInput, failure, finished, started, tooMany } from "../../fixtures/vendors/Vendor.ts"

const closed = 0
const halfOpen = 1
const open = 2

/** Returns a breaker that has just opened. */
const opened = Effect.gen(function* () {
  const all = yield* started({ attempts: 1 })
  all.state.answer = failure(unusable)
  for (let call = 0; call < 5; call += 1) yield* Effect.exit(all.call)
  assert.strictEqual(yield* all.breaker, open)
  all.state.calls = []
  return all
})

describe("Circuit breaker", () => {
  it.effect(
    "opens when half of the calls fail, refuses with a retry_after, and closes after a success",
    () =>
      Effect.gen(function* () {
        const { breaker, call, counted, policy, state } = yield* opened
        assert.strictEqual(yield* counted("error"), 5)
        yield* TestClock.adjust("1500 millis")
        const error = yield* Effect.flip(call)
        assert.propertyVal(error, "_tag", "ServiceUnavailableError")
        assert.propertyVal(error, "retry_after", 4)
        assert.strictEqual(Duration.toMillis(yield* policy.openFor), 3500)
        // The refused call did not reach the service.
        assert.deepStrictEqual(state.calls, [])
        assert.strictEqual(yield* counted("error"), 5)

        state.answer = Effect.succeed("done")
        yield* TestClock.adjust("4 seconds")
        assert.strictEqual(yield* call, "done")
        assert.strictEqual(yield* breaker, closed)
        assert.strictEqual(Duration.toMillis(yield* policy.openFor), 0)
      }),
  )

  it.effect("probes on time when the system clock steps back", () =>
    Effect.gen(function* () {
      const { call, state } = yield* opened
      yield* TestClock.setTime(-3_600_000)
      assert.propertyVal(yield* Effect.flip(call), "retry_after", 5)
      state.answer = Effect.succeed("done")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* call, "done")
    }),
  )

  it.effect(
    "probes a service that is down for an hour at most every 30 s, and recovers within 30 s",
    () =>
      Effect.gen(function* () {
        const { breaker, call, state } = yield* opened
        for (let second = 0; second < 3600; second += 1) {
          yield* Effect.exit(call)
          yield* TestClock.adjust("1 second")
        }
        // Probes come after 5, 10 and 20 s, and then every 30 s.
        assert.isAtMost(state.calls.length, 122)
        assert.isAtLeast(state.calls.length, 115)

        state.answer = Effect.succeed("done")
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* call, "done")
        assert.strictEqual(yield* breaker, closed)
      }),
  )

  it.effect("stays open as long as the service asks, up to a minute", () =>
    Effect.gen(function* () {
      for (const [retryAfter, openSeconds] of [
        ["40 seconds", 40],
        ["1 hour", 60],
      ] as const) {
        const { call, policy, state } = yield* started({ attempts: 1 })
        state.answer = failure({ ...unusable, retryAfter: Headers.retryAfterDuration(retryAfter) })
        for (let index = 0; index < 5; index += 1) yield* Effect.exit(call)
        assert.strictEqual(Duration.toSeconds(yield* policy.openFor), openSeconds)
      }
    }),
  )

  it.effect("stays open longer each time a flapping service fails again", () =>
    Effect.gen(function* () {
      const { call, policy, state } = yield* opened
      const waits: Array<number> = []
      for (let round = 0; round < 5; round += 1) {
        const wait = yield* policy.openFor
        waits.push(Duration.toSeconds(wait))
        yield* TestClock.adjust(wait)
        state.answer = Effect.succeed("done")
        yield* call
        state.answer = failure(unusable)
        for (let index = 0; index < 5; index += 1) yield* Effect.exit(call)
      }
      assert.deepStrictEqual(waits, [5, 10, 20, 30, 30])
    }),
  )

  it.effect("closes after a success that follows hours without a call", () =>
    Effect.gen(function* () {
      const { breaker, call, state } = yield* opened
      state.answer = Effect.succeed("done")
      yield* TestClock.adjust("5 hours")
      yield* call
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("logs one line when an outage begins and one when it ends", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push([logLevel, ...(Array.isArray(message) ? message : [message])])
      })
      yield* Effect.gen(function* () {
        const { call, state } = yield* opened
        for (let probe = 0; probe < 3; probe += 1) {
          yield* TestClock.adjust("30 seconds")
          yield* Effect.exit(call)
        }
        state.answer = Effect.succeed("done")
        yield* TestClock.adjust("30 seconds")
        yield* call
        yield* Effect.yieldNow
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(lines, [
        ["Warn", "circuit breaker opened"],
        ["Info", "circuit breaker closed"],
      ])
    }),
  )

  it.effect("lets exactly one of 50 calls through when the open period ends", () =>
    Effect.gen(function* () {
      const { breaker, call, state } = yield* opened
      state.answer = Effect.delay(Effect.succeed("done"), "500 millis")
      yield* TestClock.adjust("5 seconds")
      const fiber = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, () => Effect.result(call)),
          {
            concurrency: "unbounded",
          },
        ),
      )
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* breaker, halfOpen)
      yield* TestClock.adjust("400 millis")
      const results = yield* Fiber.join(fiber)
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.strictEqual(state.calls.length, 1)
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("lets the next call through if the probe was interrupted", () =>
    Effect.gen(function* () {
      const { breaker, call, counted, state } = yield* opened
      const before = yield* counted("error")
      yield* TestClock.adjust("5 seconds")
      state.answer = Effect.never
      const fiber = yield* Effect.forkChild(call)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* counted("error"), before)

      state.answer = Effect.succeed("done")
      assert.strictEqual(yield* call, "done")
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("is not blocked by a probe that never ends, even if it cannot be interrupted", () =>
    Effect.gen(function* () {
      for (const stuck of [Effect.never, Effect.uninterruptible(Effect.never)]) {
        const { breaker, call, state } = yield* opened
        yield* TestClock.adjust("5 seconds")
        state.answer = stuck
        yield* finished(call)
        assert.strictEqual(yield* breaker, open)
        state.answer = Effect.succeed("done")
        assert.strictEqual(yield* call, "done")
        assert.strictEqual(yield* breaker, closed)
      }
    }),
  )

  it.effect("does not count our own faults, defects or interrupted calls", () =>
    Effect.gen(function* () {
      const { breaker, call, state } = yield* started({ attempts: 1 })
      for (let round = 0; round < 50; round += 1) {
        for (const answer of [failure(badInput), failure(tooMany), Effect.die("a bug")]) {
          state.answer = answer
          yield* Effect.exit(call)
        }
        state.answer = Effect.never
        const fiber = yield* Effect.forkChild(call)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(state.calls.length, 200)
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("does not open for fewer than 5 calls, or for less than half of them", () =>
    Effect.gen(function* () {
      const few = yield* started({ attempts: 1 })
      few.state.answer = failure(unusable)
      for (let index = 0; index < 4; index += 1) yield* Effect.exit(few.call)
      assert.strictEqual(yield* few.breaker, closed)

      const some = yield* started({ attempts: 1 })
      for (let index = 0; index < 200; index += 1) {
        some.state.answer = index % 5 < 3 ? Effect.succeed("done") : failure(unusable)
        yield* Effect.exit(some.call)
      }
      assert.strictEqual(yield* some.breaker, closed)
    }),
  )
})
