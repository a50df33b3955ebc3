import diagnostics from "node:diagnostics_channel"
import type { Server as NodeServer } from "node:http"
import { connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Server from "../../src/http/Server.ts"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { BadRequestError } from "../../src/domain/Errors.ts"
import { Call } from "../../src/rpc/Call.ts"
import { answerOf, headOf } from "../fixtures/http/Answer.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { rpcToken } from "../fixtures/http/Rpc.ts"
import { newUser, testServerWith, tokenFor } from "../TestApp.ts"

const projects = "/api/v1/app/projects"
const body = '{"name":"In many parts"}'

const head = (line: string, token: string, ...more: ReadonlyArray<string>) =>
  [`${line} HTTP/1.1`, "Host: a", `Authorization: Bearer ${token}`, ...more, "", ""].join("\r\n")

const json = ["Content-Type: application/json", `Content-Length: ${body.length}`]

/** Opens a new connection and collects what the server sends. */
const connection = Effect.gen(function* () {
  const { port } = yield* Server.Address
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect({ host: "127.0.0.1", port })),
    (used) => Effect.sync(() => used.destroy()),
  )
  const received = { text: "", isClosed: false }
  socket.setEncoding("utf8")
  socket.on("data", (part) => (received.text += String(part)))
  socket.on("close", () => (received.isClosed = true))
  socket.on("error", () => undefined)
  const send = (text: string) => Effect.sync(() => socket.write(text))
  const receives = (pattern: RegExp) => eventually(Effect.sync(() => pattern.test(received.text)))
  const closes = eventually(Effect.sync(() => received.isClosed))
  return { closes, seen: received, send, shows: receives }
})

/** Waits until the server has received everything sent before on other connections. */
const allReceived = Effect.scoped(
  Effect.gen(function* () {
    const { send, shows } = yield* connection
    yield* send("GET /api/v1/public/health HTTP/1.1\r\nHost: a\r\n\r\n")
    yield* shows(/"healthy"/)
  }),
)

const advance = (seconds: number) =>
  Effect.andThen(allReceived, Effect.andThen(TestClock.adjust(`${seconds} seconds`), allReceived))

/** Parses the last response in these bytes. */
const answerIn = (text: string) => {
  const [head = "", content = ""] = text.slice(text.lastIndexOf("HTTP/1.1 ")).split("\r\n\r\n")
  const { headers, status } = headOf(head)
  return answerOf(status, headers, content)
}

/** With `Expect: 100-continue`, the server sends 100 when it starts to read the body. */
const continueSent = /^HTTP\/1.1 100 /

layer(testServerWith({ RPC_TOKEN: rpcToken }))("Request body", (it) => {
  const doors = [
    ["REST", Effect.map(tokenFor(newUser()), (token) => head(`POST ${projects}`, token, ...json))],
    [
      "RPC",
      Effect.succeed(
        head("POST /rpc", rpcToken, "Content-Type: application/x-ndjson", "Content-Length: 99"),
      ),
    ],
  ] as const
  for (const [door, request] of doors) {
    it.effect(`stalled for 30 s gets 408 over ${door}, is counted, and closes the connection`, () =>
      Effect.gen(function* () {
        const { closes, seen, send } = yield* connection
        yield* send(`${yield* request}{"name"`)
        yield* advance(2)
        yield* advance(27)
        assert.strictEqual(seen.text, "")
        yield* advance(3)
        yield* closes
        const { headers, json: envelope, status } = answerIn(seen.text)
        assert.strictEqual(status, 408)
        assert.strictEqual(headers["connection"], "close")
        const failure = yield* Schema.decodeUnknownEffect(Call.error)(envelope)
        assert.instanceOf(failure, BadRequestError)
        const { render } = yield* Metrics
        assert.match(yield* render, /^http_requests_total\{.*status_code="408".*\} [1-9]/m)
      }),
    )
  }

  it.effect("a body that never starts gets 408, even after 100 Continue", () =>
    Effect.gen(function* () {
      const token = yield* tokenFor(newUser())
      const { closes, seen, send, shows } = yield* connection
      yield* send(head(`POST ${projects}`, token, ...json, "Expect: 100-continue"))
      yield* shows(continueSent)
      yield* advance(2)
      yield* advance(30)
      yield* closes
      assert.strictEqual(answerIn(seen.text).status, 408)
    }),
  )

  it.effect("a body that makes progress has no overall time limit", () =>
    Effect.gen(function* () {
      const token = yield* tokenFor(newUser())
      const { seen, send, shows } = yield* connection
      yield* send(head(`POST ${projects}`, token, ...json))
      for (const byte of body) {
        yield* send(byte)
        yield* advance(29)
      }
      yield* shows(/^HTTP\/1.1 201 /)
      assert.include(seen.text, "In many parts")
    }),
  )

  it.effect("stalled for 30 s gets 408, even if the system clock steps back", () =>
    Effect.gen(function* () {
      const token = yield* tokenFor(newUser())
      const { closes, seen, send } = yield* connection
      yield* send(`${head(`POST ${projects}`, token, ...json)}{"name"`)
      yield* advance(2)
      yield* TestClock.setTime((yield* Clock.currentTimeMillis) - 60_000)
      yield* advance(62)
      yield* closes
      assert.strictEqual(answerIn(seen.text).status, 408)
    }),
  )

  it.effect("is exempt from Node's limit of 5 minutes per request", () =>
    Effect.gen(function* () {
      const servers = new Set<NodeServer>()
      const note = (message: unknown) =>
        servers.add((message as { readonly server: NodeServer }).server)
      diagnostics.subscribe("http.server.request.start", note)
      yield* allReceived
      diagnostics.unsubscribe("http.server.request.start", note)
      assert.deepStrictEqual(
        Array.from(servers, ({ headersTimeout, requestTimeout }) => ({
          headersTimeout,
          requestTimeout,
        })),
        [{ headersTimeout: 60_000, requestTimeout: 0 }],
      )
    }),
  )

  it.effect("a body that no handler reads may arrive for 30 s after the response", () =>
    Effect.gen(function* () {
      const token = yield* tokenFor(newUser())
      const late = yield* connection
      yield* late.send(`${head(`GET ${projects}`, token, ...json)}{`)
      yield* late.shows(/^HTTP\/1.1 200 /)
      const inTime = yield* connection
      yield* inTime.send(`${head("POST /none", token, ...json)}{`)
      yield* inTime.shows(/^HTTP\/1.1 404 /)
      yield* advance(20)
      yield* late.send(" ")
      yield* inTime.send(body.slice(1))
      yield* advance(12)
      yield* late.closes
      yield* inTime.send(head(`GET ${projects}`, token))
      yield* inTime.shows(/HTTP\/1.1 200 /)
    }),
  )
})
