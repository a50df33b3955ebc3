import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Schema,
  Tracer,
} from "effect"
import { Headers } from "effect/http"
import { TestClock } from "effect/testing"
import { Metrics } from "../../src/core/Metrics.ts"
import * as Resilience from "../../src/core/Resilience.ts"
import { Settings } from "../../src/core/Settings.ts"
import { unanswered, unusable, type Verdict } from "../../src/core/Verdict.ts"
import { countOf } from "../fixtures/Counts.ts"

class VendorError extends Data.TaggedError("VendorError")<{ readonly verdict: Verdict }> {}

const failure = (verdict: Verdict) => Effect.fail(new VendorError({ verdict }))

const badInput: Verdict = { fault: "ours", retry: "never" }
const tooMany: Verdict = { fault: "ours", retry: "always" }

/** A policy, and a service that does what the test says and knows when it was called, in ms. */
const started = (
  options: Partial<Omit<Resilience.Options<VendorError>, "service" | "verdict">> = {},
) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Metrics.layer.pipe(Layer.provide(Settings.layerFrom({}))))
    const policy = yield* Resilience.make({
      service: "vendor",
      timeout: "1 second",
      within: "5 seconds",
      attempts: 3,
      verdict: ({ verdict }: VendorError) => verdict,
      ...options,
    }).pipe(Effect.provide(context))
    const state = {
      answer: Effect.succeed("done") as Effect.Effect<string, VendorError>,
      calls: [] as Array<number>,
    }
    const service = Effect.gen(function* () {
      state.calls.push(yield* Clock.currentTimeMillis)
      return yield* state.answer
    })
    const count = (name: string, labels: Readonly<Record<string, string>>) =>
      Effect.provide(countOf(name, { service: "vendor", ...labels }), context)
    return {
      policy,
      state,
      call: policy.repeatable("ask")(service),
      once: policy.once("send")(service),
      breaker: count("circuit_breaker_state", {}),
      counted: (status: "success" | "error") =>
        count("external_service_requests_total", { operation: "ask", status }),
    }
  })

/** The exit, after as much time as it takes. */
const finished = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.await(fiber)
  })

const errorOf = <A, E>(exit: Exit.Exit<A, E>) => {
  assert.isTrue(Exit.isFailure(exit))
  return Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
}

const closed = 0
const halfOpen = 1
const open = 2

/** A breaker that has just opened. */
const opened = Effect.gen(function* () {
  const all = yield* started({ attempts: 1 })
  all.state.answer = failure(unusable)
  for (let call = 0; call < 5; call += 1) yield* Effect.exit(all.call)
  assert.strictEqual(yield* all.breaker, open)
  all.state.calls = []
  return all
})

describe("a call", () => {
  it.effect("is attempted again after growing waits, and counted once", () =>
    Effect.gen(function* () {
      const { call, state, counted } = yield* started()
      state.answer = Effect.suspend(() =>
        state.calls.length < 3 ? failure(unanswered) : Effect.succeed("done"),
      )
      assert.deepStrictEqual(yield* finished(call), Exit.succeed("done"))
      const [first = 0, second = 0, third = 0] = state.calls
      assert.isTrue(second - first >= 160 && second - first <= 240)
      assert.isTrue(third - second >= 320 && third - second <= 480)
      assert.strictEqual(yield* counted("success"), 1)
      assert.strictEqual(yield* counted("error"), 0)
    }),
  )

  it.effect("fails with what the last attempt failed with, and counts one error", () =>
    Effect.gen(function* () {
      const { call, state, counted } = yield* started()
      state.answer = failure(unanswered)
      assert.deepStrictEqual(
        errorOf(yield* finished(call)),
        new VendorError({ verdict: unanswered }),
      )
      assert.strictEqual(state.calls.length, 3)
      assert.strictEqual(yield* counted("error"), 1)
    }),
  )

  it.effect("that may not happen twice is repeated only when nothing was done", () =>
    Effect.gen(function* () {
      const expected: ReadonlyArray<readonly [Verdict, number, number]> = [
        [badInput, 1, 1],
        [unusable, 1, 1],
        [unanswered, 3, 1],
        [tooMany, 3, 3],
      ]
      for (const [verdict, repeatable, once] of expected) {
        const all = yield* started()
        all.state.answer = failure(verdict)
        yield* finished(all.call)
        assert.strictEqual(all.state.calls.length, repeatable)
        yield* finished(all.once)
        assert.strictEqual(all.state.calls.length - repeatable, once)
      }
    }),
  )

  it.effect("without an answer is no failure of ours: 502", () =>
    Effect.gen(function* () {
      const { call, once, state } = yield* started()
      state.answer = Effect.never
      const error = errorOf(yield* finished(call))
      assert.propertyVal(error, "_tag", "ExternalServiceError")
      assert.propertyVal(error, "service", "vendor")
      assert.strictEqual(state.calls.length, 3)
      yield* finished(once)
      assert.strictEqual(state.calls.length, 4)
    }),
  )

  it.effect("waits for as long as Retry-After says", () =>
    Effect.gen(function* () {
      const { call, state } = yield* started()
      const retryAfter = Headers.retryAfterDuration("3 seconds")
      state.answer = failure({ ...tooMany, retryAfter })
      yield* finished(call)
      const [first = 0, second = 0, third] = state.calls
      assert.isTrue(second - first >= 3160 && second - first <= 3240)
      // Another 3 s would be beyond the bound.
      assert.isUndefined(third)
    }),
  )

  it.effect("fails at once when the wait would be too long", () =>
    Effect.gen(function* () {
      const { call, state } = yield* started()
      const retryAfter = Headers.retryAfterDuration("1 hour")
      state.answer = failure({ ...tooMany, retryAfter })
      const now = yield* Clock.currentTimeMillis
      yield* Effect.exit(call)
      assert.strictEqual(yield* Clock.currentTimeMillis, now)
    }),
  )

  it.effect("lets its caller go although it cannot be interrupted", () =>
    Effect.gen(function* () {
      const { call, state } = yield* started()
      state.answer = Effect.uninterruptible(Effect.never)
      const fiber = yield* Effect.forkChild(Effect.exit(call))
      yield* TestClock.adjust("5 seconds")
      assert.propertyVal(errorOf(yield* Fiber.join(fiber)), "_tag", "ExternalServiceError")

      const other = yield* Effect.forkChild(call)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(other)
    }),
  )

  const attempt = Schema.Struct({
    takes: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1500 })),
    fault: Schema.Literals(["ours", "theirs"]),
    retry: Schema.Literals(["always", "if_repeatable", "never"]),
    after: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  })
  const bound = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6000 }))
  const most = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))

  it.effect.prop(
    "keeps its bounds of time and number, and its waits, whatever the service does",
    [Schema.Array(attempt), bound, most],
    ([script, within, attempts]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { call, state } = yield* started({ within: `${within} millis`, attempts })
          const failedAt: Array<number> = []
          state.answer = Effect.suspend(() => {
            const step = script[state.calls.length - 1]
            if (step === undefined) return Effect.succeed("done")
            const { after, fault, retry, takes } = step
            const retryAfter = Headers.retryAfterDuration(Duration.seconds(after))
            return failure({ fault, retry, retryAfter }).pipe(
              Effect.delay(takes),
              Effect.onExit(() =>
                Effect.map(Clock.currentTimeMillis, (now) => void failedAt.push(now)),
              ),
            )
          })
          const began = yield* Clock.currentTimeMillis
          let ended = Number.POSITIVE_INFINITY
          yield* finished(
            Effect.onExit(call, () =>
              Effect.map(Clock.currentTimeMillis, (now) => void (ended = now)),
            ),
          )

          assert.isAtMost(ended - began, within)
          assert.isAtMost(state.calls.length, attempts)
          for (const [index, at] of state.calls.slice(1).entries()) {
            const before = script[index]
            const failed = failedAt[index] ?? Number.NaN
            // One that took longer than a second was cut, which may be repeated.
            const told = before === undefined || before.takes > 1000 ? 0 : before.after * 1000
            if (before !== undefined && before.takes < 1000)
              assert.notStrictEqual(before.retry, "never")
            const wait = at - failed - told
            assert.isAtLeast(wait, 0.8 * 200 * 2 ** index - 0.001)
            assert.isAtMost(wait, 1.2 * 200 * 2 ** index + 0.001)
          }
        }),
      ),
  )
})

describe("a circuit breaker", () => {
  it.effect(
    "opens when half of the calls fail, refuses with the time, and closes after one that succeeds",
    () =>
      Effect.gen(function* () {
        const { breaker, call, counted, policy, state } = yield* opened
        assert.strictEqual(yield* counted("error"), 5)
        yield* TestClock.adjust("1500 millis")
        const error = yield* Effect.flip(call)
        assert.propertyVal(error, "_tag", "ServiceUnavailableError")
        assert.propertyVal(error, "retry_after", 4)
        assert.strictEqual(Duration.toMillis(yield* policy.refusesFor), 3500)
        // What was refused was not called.
        assert.deepStrictEqual(state.calls, [])
        assert.strictEqual(yield* counted("error"), 5)

        state.answer = Effect.succeed("done")
        yield* TestClock.adjust("4 seconds")
        assert.strictEqual(yield* call, "done")
        assert.strictEqual(yield* breaker, closed)
        assert.strictEqual(Duration.toMillis(yield* policy.refusesFor), 0)
      }),
  )

  it.effect("protects a service that is down for an hour, and heals within 30 s", () =>
    Effect.gen(function* () {
      const { breaker, call, state } = yield* opened
      for (let second = 0; second < 3600; second += 1) {
        yield* Effect.exit(call)
        yield* TestClock.adjust("1 second")
      }
      // After 5, 10, 20 and then every 30 s.
      assert.isAtMost(state.calls.length, 122)
      assert.isAtLeast(state.calls.length, 115)

      state.answer = Effect.succeed("done")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* call, "done")
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("stays open for as long as the service asks, but not for more than a minute", () =>
    Effect.gen(function* () {
      for (const [told, refused] of [
        ["40 seconds", 40],
        ["1 hour", 60],
      ] as const) {
        const { call, policy, state } = yield* started({ attempts: 1 })
        state.answer = failure({ ...unusable, retryAfter: Headers.retryAfterDuration(told) })
        for (let index = 0; index < 5; index += 1) yield* Effect.exit(call)
        assert.strictEqual(Duration.toSeconds(yield* policy.refusesFor), refused)
      }
    }),
  )

  it.effect("spares a flapping service more and more", () =>
    Effect.gen(function* () {
      const { call, policy, state } = yield* opened
      const waits: Array<number> = []
      for (let round = 0; round < 5; round += 1) {
        const wait = yield* policy.refusesFor
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

  it.effect("is not forgotten in hours without a call", () =>
    Effect.gen(function* () {
      const { breaker, call, state } = yield* opened
      state.answer = Effect.succeed("done")
      yield* TestClock.adjust("5 hours")
      yield* call
      assert.strictEqual(yield* breaker, closed)
    }),
  )

  it.effect("leaves one line when an outage begins and one when it ends", () =>
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
        ["Warn", "Circuit breaker opened"],
        ["Info", "Circuit breaker closed"],
      ])
    }),
  )

  it.effect("lets exactly one of 50 through when its time is over", () =>
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

  it.effect("lets the next one through when the first was interrupted", () =>
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

  it.effect(
    "is not held by a call that never ends, not even by one that cannot be interrupted",
    () =>
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

  it.effect("does not count our faults, defects, nor callers who went away", () =>
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

  it.effect("does not open for fewer than 5 calls, nor for less than half of them", () =>
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

describe("the span of a call", () => {
  it.effect("tells the service, the operation, the attempts and what the breaker was", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        },
      })
      const { call, state } = yield* started()
      state.answer = failure(unanswered)
      for (let index = 0; index < 6; index += 1) {
        yield* finished(Effect.provideService(call, Tracer.Tracer, tracer))
      }
      const told = spans.map((span) => [span.name, span.kind, Object.fromEntries(span.attributes)])
      const expected = { "peer.service": "vendor", operation: "ask", attempts: 3 }
      assert.deepStrictEqual(told[0], ["vendor.ask", "client", { ...expected, breaker: "closed" }])
      assert.deepStrictEqual(told[5], ["vendor.ask", "client", { ...expected, breaker: "open" }])
    }),
  )
})
