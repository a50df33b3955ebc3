import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Schema, Tracer } from "effect"
import { Headers } from "effect/http"
import { TestClock } from "effect/testing"
import { unanswered, unusable, type CallVerdict } from "../../../src/core/outbound/CallVerdict.ts"
import {
  badInput,
  errorOf,
  failure,
  finished,
  started,
  tooMany,
  VendorError,
} from "../../fixtures/vendors/Vendor.ts"

describe("External call", () => {
  it.effect("retries with growing delays, and is counted once", () =>
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

  it.effect("fails with the error of the last attempt, and counts one error", () =>
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

  it.effect("retries a call that is not repeatable only if the service did nothing", () =>
    Effect.gen(function* () {
      const expected: ReadonlyArray<readonly [CallVerdict, number, number]> = [
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

  it.effect("fails a call without an answer with ExternalServiceError (502)", () =>
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

  it.effect("waits as long as Retry-After asks", () =>
    Effect.gen(function* () {
      const { call, state } = yield* started()
      const retryAfter = Headers.retryAfterDuration("3 seconds")
      state.answer = failure({ ...tooMany, retryAfter })
      yield* finished(call)
      const [first = 0, second = 0, third] = state.calls
      assert.isTrue(second - first >= 3160 && second - first <= 3240)
      // Another 3 s would exceed the total timeout.
      assert.isUndefined(third)
    }),
  )

  it.effect("fails immediately if Retry-After exceeds the total timeout", () =>
    Effect.gen(function* () {
      const { call, state } = yield* started()
      const retryAfter = Headers.retryAfterDuration("1 hour")
      state.answer = failure({ ...tooMany, retryAfter })
      const now = yield* Clock.currentTimeMillis
      yield* Effect.exit(call)
      assert.strictEqual(yield* Clock.currentTimeMillis, now)
    }),
  )

  it.effect("releases its caller even if the call cannot be interrupted", () =>
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
  const maxAttempts = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))

  it.effect.prop(
    "respects its total timeout, attempts and delays, whatever the service does",
    [Schema.Array(attempt), bound, maxAttempts],
    ([script, within, attempts]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { call, state } = yield* started({ totalTimeout: `${within} millis`, attempts })
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
            // An attempt longer than 1 s was timed out, which may be retried.
            const retryAfterMs =
              before === undefined || before.takes > 1000 ? 0 : before.after * 1000
            if (before !== undefined && before.takes < 1000)
              assert.notStrictEqual(before.retry, "never")
            const wait = at - failed - retryAfterMs
            assert.isAtLeast(wait, 0.8 * 200 * 2 ** index - 0.001)
            assert.isAtMost(wait, 1.2 * 200 * 2 ** index + 0.001)
          }
        }),
      ),
  )
})

describe("External call span", () => {
  it.effect("has the service, the operation, the attempts and the state of the breaker", () =>
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
      const summaries = spans.map((span) => [
        span.name,
        span.kind,
        Object.fromEntries(span.attributes),
      ])
      const expected = { "peer.service": "vendor", operation: "ask", attempts: 3 }
      assert.deepStrictEqual(summaries[0], [
        "vendor.ask",
        "client",
        { ...expected, breaker: "closed" },
      ])
      assert.deepStrictEqual(summaries[5], [
        "vendor.ask",
        "client",
        { ...expected, breaker: "open" },
      ])
    }),
  )
})
