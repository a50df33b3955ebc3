import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { AiProvider } from "../../../src/services/ai/Ai.ts"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { type AiVendor, asking, callOf, vendors } from "../../fixtures/vendors/AiVendors.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import * as StreamServer from "../../fixtures/servers/StreamServer.ts"

const started = (vendor: AiVendor) =>
  Effect.gen(function* () {
    const server = yield* StreamServer.make
    const provider = yield* asking(vendor.provider, vendor.environment(server.url))
    return { ...server, ...provider }
  })

const untilText = (events: ReadonlyArray<string>) =>
  events.slice(0, events.findIndex((event) => event.includes("Hello")) + 1)

const realTime = TestClock.withLive(Clock.currentTimeMillis)

describe.each(vendors)("A stream of $provider", (vendor) => {
  const call = callOf(vendor)
  const all = vendor.events(["Hello", " there"])
  const untilFirstText = untilText(all)

  it.effect("ends at the vendor within a second when its reader disconnects during a silence", () =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      state.script = { parts: untilFirstText, last: "silence" }
      const took = yield* by(({ stream }) =>
        Effect.gen(function* () {
          const received = yield* Deferred.make<void>()
          const reader = yield* Effect.forkChild(
            Effect.scoped(
              Effect.flatMap(
                stream(call),
                Stream.runForEach(() => Deferred.succeed(received, undefined)),
              ),
            ),
          )
          yield* Deferred.await(received)
          const before = yield* realTime
          yield* Fiber.interrupt(reader)
          yield* eventually(Effect.sync(() => state.left === 1))
          return (yield* realTime) - before
        }),
      )
      assert.isBelow(took, 1000)
    }),
  )

  it.effect.each([
    ["stream", ({ stream }: AiProvider) => Effect.asVoid(stream(call))],
    ["complete answer", ({ complete }: AiProvider) => Effect.asVoid(complete(call))],
  ] as const)("ends at the vendor before any event of a %s", ([, ask]) =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      yield* by((provider) =>
        Effect.gen(function* () {
          const caller = yield* Effect.forkChild(Effect.scoped(ask(provider)))
          yield* eventually(Effect.sync(() => state.requests.length === 1))
          yield* Fiber.interrupt(caller)
          yield* eventually(
            Effect.sync(() => state.left === 1),
            1,
          )
        }),
      )
    }),
  )

  it.effect("fails after a minute of silence, and ends at the vendor", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      state.script = { parts: untilFirstText, last: "silence" }
      const { broken, text } = yield* read(call)
      assert.strictEqual(text, "Hello")
      assert.strictEqual(broken?.reason, "unavailable")
      yield* eventually(Effect.sync(() => state.left === 1))
    }),
  )

  it.effect("times out after a minute without any text, without a retry", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      state.script = { parts: untilFirstText.slice(0, -1), last: "silence" }
      const before = yield* Clock.currentTimeMillis
      const failure = yield* failureOf(Effect.asVoid(read(call)))
      assert.strictEqual(failure.reason, "unavailable")
      assert.approximately((yield* Clock.currentTimeMillis) - before, 60_000, 2000)
      assert.lengthOf(state.requests, 1)
      yield* eventually(Effect.sync(() => state.left === 1))
    }),
  )

  it.effect.each(["end", "cut"] as const)("fails if its end is missing: %s", (last) =>
    Effect.gen(function* () {
      const { read, state, telemetry } = yield* started(vendor)
      state.script = { parts: untilFirstText, last }
      const { broken } = yield* read(call)
      assert.strictEqual(broken?.reason, "unavailable")
      assert.lengthOf(state.requests, 1)
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("fails on a malformed event", () =>
    Effect.gen(function* () {
      const { read, state, telemetry } = yield* started(vendor)
      // Anthropic's events are recognized by their names.
      const name = vendor.provider === "anthropic" ? "event: message_delta\n" : ""
      state.script = {
        parts: [...untilFirstText, `${name}data: {canary\n\n`, ...all],
        last: "end",
      }
      const { broken, text } = yield* read(call)
      assert.strictEqual(broken?.reason, "unavailable")
      assert.isTrue(text === "Hello" || text === "")
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("is read no faster than its reader consumes it", () =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      const texts = Array.from({ length: 64 * 1024 }, () => `Hello ${"x".repeat(1000)}`)
      state.script = { parts: vendor.events(texts), last: "end" }
      yield* by(({ stream }) =>
        Effect.scoped(
          Effect.gen(function* () {
            const received = yield* Deferred.make<void>()
            const parts = yield* stream(call)
            yield* Effect.forkChild(
              Stream.runForEach(parts, () =>
                Effect.andThen(Deferred.succeed(received, undefined), Effect.never),
              ),
            )
            yield* Deferred.await(received)
            yield* TestClock.withLive(Effect.sleep("300 millis"))
            assert.isBelow(state.written, 16 * 1024 * 1024)
          }),
        ),
      )
    }),
  )
})

describe("Anthropic", () => {
  const anthropic = vendors.find(({ provider }) => provider === "anthropic")

  it.effect("reports the prompt tokens before any answer", () =>
    Effect.gen(function* () {
      assert(anthropic !== undefined)
      const { read, state } = yield* started(anthropic)
      state.script = { parts: untilText(anthropic.events(["Hello"])), last: "cut" }
      const { tokens } = yield* read(callOf(anthropic))
      assert.deepStrictEqual(tokens, { prompt: 11, completion: null })
    }),
  )
})
