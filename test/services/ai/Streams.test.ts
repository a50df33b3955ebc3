import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { AiProvider } from "../../../src/services/ai/Ai.ts"
import { failureOf, secretsIn } from "../../fixtures/Adapting.ts"
import { type AiVendor, asking, callOf, vendors } from "../../fixtures/AiVendors.ts"
import { eventually } from "../../fixtures/Eventually.ts"
import * as StreamServer from "../../fixtures/StreamServer.ts"

const started = (vendor: AiVendor) =>
  Effect.gen(function* () {
    const server = yield* StreamServer.make
    const provider = yield* asking(vendor.provider, vendor.environment(server.url))
    return { ...server, ...provider }
  })

const untilText = (events: ReadonlyArray<string>) =>
  events.slice(0, events.findIndex((event) => event.includes("Hello")) + 1)

const realTime = TestClock.withLive(Clock.currentTimeMillis)

describe.each(vendors)("a stream of $provider", (vendor) => {
  const call = callOf(vendor)
  const all = vendor.events(["Hello", " there"])
  const begun = untilText(all)

  it.effect("ends at its vendor within a second, when its reader goes away in a silence", () =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      state.script = { parts: begun, last: "silence" }
      const took = yield* by(({ stream }) =>
        Effect.gen(function* () {
          const heard = yield* Deferred.make<void>()
          const reader = yield* Effect.forkChild(
            Effect.scoped(
              Effect.flatMap(
                stream(call),
                Stream.runForEach(() => Deferred.succeed(heard, undefined)),
              ),
            ),
          )
          yield* Deferred.await(heard)
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
    ["whole answer", ({ complete }: AiProvider) => Effect.asVoid(complete(call))],
  ] as const)("ends there, too, when nothing has come of a %s", ([, ask]) =>
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

  it.effect("breaks after a minute of silence, and ends at its vendor", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      state.script = { parts: begun, last: "silence" }
      const { broken, text } = yield* read(call)
      assert.strictEqual(text, "Hello")
      assert.strictEqual(broken?.reason, "unavailable")
      yield* eventually(Effect.sync(() => state.left === 1))
    }),
  )

  it.effect("is given up after a minute without a text, and not asked for again", () =>
    Effect.gen(function* () {
      const { read, state } = yield* started(vendor)
      state.script = { parts: begun.slice(0, -1), last: "silence" }
      const before = yield* Clock.currentTimeMillis
      const failure = yield* failureOf(Effect.asVoid(read(call)))
      assert.strictEqual(failure.reason, "unavailable")
      assert.approximately((yield* Clock.currentTimeMillis) - before, 60_000, 2000)
      assert.lengthOf(state.requests, 1)
      yield* eventually(Effect.sync(() => state.left === 1))
    }),
  )

  it.effect.each(["end", "cut"] as const)("breaks when its end is missing: %s", (last) =>
    Effect.gen(function* () {
      const { read, state, told } = yield* started(vendor)
      state.script = { parts: begun, last }
      const { broken } = yield* read(call)
      assert.strictEqual(broken?.reason, "unavailable")
      assert.lengthOf(state.requests, 1)
      assert.deepStrictEqual(secretsIn(yield* told), [])
    }),
  )

  it.effect("breaks on what is no event of it", () =>
    Effect.gen(function* () {
      const { read, state, told } = yield* started(vendor)
      // Anthropic's are read by their names alone.
      const name = vendor.provider === "anthropic" ? "event: message_delta\n" : ""
      state.script = {
        parts: [...begun, `${name}data: {canary\n\n`, ...all],
        last: "end",
      }
      const { broken, text } = yield* read(call)
      assert.strictEqual(broken?.reason, "unavailable")
      assert.isTrue(text === "Hello" || text === "")
      assert.deepStrictEqual(secretsIn(yield* told), [])
    }),
  )

  it.effect("is read no faster than its reader reads", () =>
    Effect.gen(function* () {
      const { by, state } = yield* started(vendor)
      const texts = Array.from({ length: 64 * 1024 }, () => `Hello ${"x".repeat(1000)}`)
      state.script = { parts: vendor.events(texts), last: "end" }
      yield* by(({ stream }) =>
        Effect.scoped(
          Effect.gen(function* () {
            const heard = yield* Deferred.make<void>()
            const parts = yield* stream(call)
            yield* Effect.forkChild(
              Stream.runForEach(parts, () =>
                Effect.andThen(Deferred.succeed(heard, undefined), Effect.never),
              ),
            )
            yield* Deferred.await(heard)
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

  it.effect("tells the tokens of the prompt before there is an answer", () =>
    Effect.gen(function* () {
      assert(anthropic !== undefined)
      const { read, state } = yield* started(anthropic)
      state.script = { parts: untilText(anthropic.events(["Hello"])), last: "cut" }
      const { tokens } = yield* read(callOf(anthropic))
      assert.deepStrictEqual(tokens, { prompt: 11, completion: null })
    }),
  )
})
