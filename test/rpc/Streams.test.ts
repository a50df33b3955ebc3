import { createServer } from "node:http"
import { assert, effect, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { DeadlineExceededError } from "../../src/domain/Errors.ts"
import { withDeadline } from "../../src/rpc/Deadline.ts"
import { PlinthRpc } from "../../src/rpc/RpcClient.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { FakeProvider, part } from "../fixtures/vendors/FakeAi.ts"
import { series } from "../fixtures/http/Series.ts"
import {
  chatRequest,
  failure,
  frame,
  framesIn,
  post,
  rpcServer,
  rpcToken,
} from "../fixtures/http/Rpc.ts"

const openai = new FakeProvider("openai")

const server = rpcServer([openai])

effect("A deadline bounds the deadlines inside it, also when the system clock steps back", () =>
  Effect.gen(function* () {
    const waiting = yield* TestClock.setTime(-3_600_000).pipe(
      Effect.andThen(withDeadline("30 minutes")(Effect.never)),
      withDeadline("1 minute"),
      Effect.flip,
      Effect.forkChild({ startImmediately: true }),
    )
    yield* TestClock.adjust(0)
    yield* TestClock.adjust("1 minute")
    const late = yield* Fiber.join(waiting)
    assert.strictEqual(late.timeout_ms, 60_000)
  }),
)

layer(server, { excludeTestServices: true })("A deadline", (it) => {
  it.effect("ends the call at the client and the work at the service", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      openai.script = { parts: 2, ending: "hang", tokens: { prompt: null, completion: null } }
      const late = yield* failure((rpc) =>
        rpc("ai.stream", { user_id: id, ...chatRequest }).pipe(
          Stream.runDrain,
          withDeadline("300 millis"),
        ),
      )
      assert.instanceOf(late, DeadlineExceededError)
      assert.strictEqual(late.timeout_ms, 300)
      yield* eventually(Effect.sync(() => !openai.isOpen))
    }),
  )

  it.effect("the service enforces and reports a deadline that is in the header alone", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      openai.script = { parts: 1, ending: "hang", tokens: { prompt: null, completion: null } }
      const headers = { "x-plinth-timeout-ms": "200" }
      const body = frame("ai.stream", { user_id: id, ...chatRequest })
      const { text } = yield* post({ body, headers })
      const [chunk, exit] = framesIn(text)
      assert.deepStrictEqual(chunk, {
        _tag: "Chunk",
        requestId: "1",
        values: [{ _tag: "delta", text: part }],
      })
      assert.include(JSON.stringify(exit), '"code":"DEADLINE_EXCEEDED"')
      yield* eventually(Effect.sync(() => !openai.isOpen))
      const unary = yield* post({
        body: frame("ai.complete", { user_id: id, ...chatRequest }),
        headers,
      })
      assert.include(unary.text, '"code":"DEADLINE_EXCEEDED"')
    }),
  )

  it.effect("around another is sent as its remaining time", () =>
    Effect.gen(function* () {
      const timeouts: Array<number> = []
      const other = createServer((request, response) => {
        timeouts.push(Number(request.headers["x-plinth-timeout-ms"]))
        response.statusCode = 503
        response.end("not Plinth's")
      })
      yield* Effect.callback<void>((resume) => {
        other.listen(0, "127.0.0.1", () => resume(Effect.void))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => other.close()))
      const address = other.address()
      const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
      const error = yield* failure((rpc) =>
        rpc("jobs.stats", {}).pipe(withDeadline("1 hour"), withDeadline("5 seconds")),
      ).pipe(Effect.provide(PlinthRpc.layer({ url, token: rpcToken, caller: "tests" })))
      assert.strictEqual(error._tag, "RpcClientError")
      const [timeout = 0] = timeouts
      assert.isAtMost(timeout, 5000)
      assert.isAbove(timeout, 1000)
    }),
  )
})

layer(server, { excludeTestServices: true })("A stream", (it) => {
  it.effect("arrives in parts, and is metered by what arrived", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      openai.script = { parts: 3, ending: "stop", tokens: { prompt: 7, completion: 3 } }
      const events = yield* rpc("ai.stream", { user_id: id, ...chatRequest }).pipe(
        Stream.runCollect,
      )
      assert.deepStrictEqual(
        events.map((event) => (event._tag === "delta" ? event.text : event.completion.usage)),
        [part, part, part, { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }],
      )
      const { ai_tokens } = yield* rpc("usage.currentPeriod", { user_id: id })
      assert.strictEqual(ai_tokens, 10)
    }),
  )

  it.effect("stops the provider when its reader stops", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      openai.script = { parts: 2, ending: "hang", tokens: { prompt: null, completion: null } }
      const [first] = yield* rpc("ai.stream", { user_id: id, ...chatRequest }).pipe(
        Stream.take(1),
        Stream.runCollect,
      )
      assert.deepStrictEqual(first, { _tag: "delta", text: part })
      yield* eventually(Effect.sync(() => !openai.isOpen))
    }),
  )

  it.effect("ends when its caller disconnects, and is counted as CANCELLED, like a call", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      openai.script = { parts: 0, ending: "hang", tokens: { prompt: null, completion: null } }
      for (const call of [
        rpc("ai.complete", { user_id: id, ...chatRequest }),
        rpc("ai.stream", { user_id: id, ...chatRequest }).pipe(Stream.runDrain),
      ]) {
        openai.calls = []
        const fiber = yield* Effect.forkChild(call)
        yield* eventually(Effect.sync(() => openai.calls.length === 1))
        yield* Fiber.interrupt(fiber)
      }
      for (const method of ["ai.complete", "ai.stream"]) {
        const key = `rpc_requests_total{method="${method}",caller="tests",status="CANCELLED"}`
        yield* eventually(Effect.map(series, (all) => (all.get(key) ?? 0) > 0))
      }
    }),
  )
})
