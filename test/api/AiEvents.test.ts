import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { _iterSSEMessages } from "openai/core/streaming"
import { encodeEvents } from "../../src/api/app/AiEvents.ts"
import type { AiEvent } from "../../src/domain/ai/Ai.ts"

const end: AiEvent = {
  _tag: "end",
  completion: {
    content: "",
    model: "m",
    provider: "echo",
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    finish_reason: "stop",
    latency_ms: 0,
  },
}

const delta = (text: string): AiEvent => ({ _tag: "delta", text })

/** Returns the data of events without a name, read by a third-party parser. */
const read = (bytes: ReadonlyArray<Uint8Array>) =>
  Effect.map(
    Effect.promise(() =>
      Array.fromAsync(_iterSSEMessages(new Response(Buffer.concat(bytes)), new AbortController())),
    ),
    (events) => events.filter(({ event }) => event === null).map(({ data }) => data),
  )

layer(Layer.empty)("The events of a stream", (it) => {
  it.effect.prop(
    "can be read back, wherever lines end and chunks begin",
    [Schema.Array(Schema.Literals(["a", "\n", "\r", "\r\n", " ", "data: x", ": y", ""]))],
    ([texts]) =>
      Effect.gen(function* () {
        const events = [...texts.map(delta), end]
        const pieces = yield* read(
          yield* Stream.runCollect(encodeEvents(Stream.fromIterable(events))),
        )
        assert.strictEqual(pieces.pop(), "[DONE]")
        assert.strictEqual(pieces.join(""), texts.join("").replaceAll(/\r\n?/g, "\n"))
      }),
  )

  it.effect("have keep-alive comments between them during a pause, which parsers skip", () =>
    Effect.gen(function* () {
      const answered = yield* Deferred.make<void>()
      const chunks: Array<Uint8Array> = []
      const comments = () =>
        chunks.filter((chunk) => Buffer.from(chunk).toString() === ": keep-alive\n\n").length
      const silence = Stream.drain(Stream.fromEffect(Deferred.await(answered)))
      const events = Stream.make(delta("one")).pipe(
        Stream.concat(silence),
        Stream.concat(Stream.make(delta("two"), end)),
      )
      const writing = yield* Effect.forkChild(
        Stream.runForEach(encodeEvents(events), (chunk) => Effect.sync(() => chunks.push(chunk))),
      )
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(comments(), 0)
      assert.lengthOf(chunks, 1)
      for (let minute = 1; minute <= 3; minute += 1) {
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(comments(), minute * 4)
      }
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(writing)
      // The last chunk is never a comment.
      assert.include(Buffer.from(chunks.at(-1) ?? []).toString(), "[DONE]")
      assert.deepStrictEqual(yield* read(chunks), ["one", "two", "[DONE]"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(comments(), 12)
    }),
  )
})
