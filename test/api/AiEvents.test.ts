import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { _iterSSEMessages } from "openai/core/streaming"
import { bytesOf } from "../../src/api/app/AiEvents.ts"
import type { AiEvent } from "../../src/domain/Ai.ts"

/** As a client of OpenAI's reads it. */
const read = (bytes: ReadonlyArray<Uint8Array>) =>
  Effect.promise(() =>
    Array.fromAsync(_iterSSEMessages(new Response(Buffer.concat(bytes)), new AbortController())),
  )

describe("The events of an answer", () => {
  it.effect.prop(
    "read as they were written, wherever lines end and pieces begin",
    [Schema.Array(Schema.Literals(["a", "\n", "\r", "\r\n", " ", "data: x", ": y", ""]))],
    ([texts]) =>
      Effect.gen(function* () {
        const completion = {
          content: "",
          model: "m",
          provider: "echo" as const,
          usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
          finish_reason: "stop" as const,
          latency_ms: 0,
        }
        const events: ReadonlyArray<AiEvent> = [
          ...texts.map((text) => ({ _tag: "delta" as const, text })),
          { _tag: "end", completion },
        ]
        const chunks = yield* Stream.runCollect(bytesOf(Stream.fromIterable(events)))
        const pieces = (yield* read(chunks))
          .filter(({ event }) => event === null)
          .map(({ data }) => data)
        assert.strictEqual(pieces.pop(), "[DONE]")
        assert.strictEqual(pieces.join(""), texts.join("").replaceAll(/\r\n?/g, "\n"))
      }),
  )

  it.effect("have a comment among them every 15 s, which is no event to a client", () =>
    Effect.gen(function* () {
      const delta: AiEvent = { _tag: "delta", text: "hello" }
      const written: Array<Uint8Array> = []
      const writing = yield* bytesOf(
        Stream.concat(Stream.make(delta), Stream.fromEffect(Effect.never)),
      ).pipe(
        Stream.runForEach((bytes) => Effect.sync(() => written.push(bytes))),
        Effect.forkChild({ startImmediately: true }),
      )
      const texts = () => written.map((bytes) => Buffer.from(bytes).toString())
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual(texts(), ["data: hello\n\n"])
      yield* TestClock.adjust("16 seconds")
      assert.deepStrictEqual(texts().slice(1), [": keep-alive\n\n", ": keep-alive\n\n"])
      const events = yield* read(written)
      assert.deepStrictEqual(
        events.map(({ data }) => data),
        ["hello"],
      )
      yield* Fiber.interrupt(writing)
    }),
  )
})
