import { once } from "node:events"
import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { RawAnswers } from "../../src/http/RawAnswers.ts"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { Settings } from "../../src/core/settings/Settings.ts"
import { canary } from "../fixtures/processes/Plinth.ts"

const answers = RawAnswers.layer.pipe(
  Layer.provide(Metrics.layer),
  Layer.provide(Settings.layerFrom({ SECRET_KEY: canary })),
)

/** Sends `first`, then `second` once a part of a response has arrived. Returns everything received. */
const received = (first: string, second: string) =>
  Effect.gen(function* () {
    const { onClientError } = yield* RawAnswers
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => createServer((_, response) => response.write("the first part"))),
      (open) => Effect.sync(() => open.close().closeAllConnections()),
    )
    server.on("clientError", onClientError)
    yield* Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))
    const { port } = server.address() as AddressInfo
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      if (text.endsWith("the first part\r\n")) socket.write(second)
    })
    socket.on("error", () => undefined)
    socket.write(first)
    yield* Effect.promise(() => once(socket, "close"))
    return text
  })

layer(answers, { excludeTestServices: true })("A connection with bytes that are not HTTP", (it) => {
  it.effect("gets the error envelope when no response has begun", () =>
    Effect.gen(function* () {
      const text = yield* received("not HTTP\r\n\r\n", "")
      assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n[^]*"code":"BAD_REQUEST"/)
    }),
  )

  it.effect("is closed during a response, without a second response inside it", () =>
    Effect.gen(function* () {
      const text = yield* received("GET / HTTP/1.1\r\nHost: plinth\r\n\r\n", "not HTTP\r\n\r\n")
      assert.match(text, /the first part\r\n$/)
      assert.strictEqual(text.match(/HTTP\/1\.1 /g)?.length, 1)
    }),
  )
})
