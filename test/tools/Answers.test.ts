import { createServer, get, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { take, takeWritten, violationsOf } from "../fixtures/http/Answers.ts"
import { outcomeOf, processTimeoutMs, startProgram } from "../fixtures/processes/Plinth.ts"

const plinth = { "x-api-version": "v1", "content-type": "application/json" }
const refused = JSON.stringify({ error: { code: "NOT_FOUND", message: "x", details: {} } })

const undeclared: RequestListener = (_, response) => response.writeHead(418, plinth).end(refused)

/** Sends GET /app/projects to this server and returns the status. */
const ask = (listener: RequestListener) =>
  Effect.callback<number | undefined>((resume) => {
    const server = createServer(listener).listen(0, "127.0.0.1", () => {
      const { port } = Object(server.address()) as AddressInfo
      get({ port, host: "127.0.0.1", path: "/api/v1/app/projects", agent: false }, (answer) => {
        // A cut connection ends with an error.
        answer.on("error", () => undefined).resume()
        answer.once("close", () => server.close(() => resume(Effect.succeed(answer.statusCode))))
      })
    })
  })

const wrongsOf = (answer: RequestListener) =>
  Effect.andThen(
    ask(answer),
    Effect.suspend(() => violationsOf(take())),
  )

const about = "GET /api/v1/app/projects -> "

describe("An answer of a server under test", () => {
  it.fails("fails the test that receives it, if the document does not describe it", () =>
    Effect.runPromise(Effect.map(ask(undeclared), (status) => assert.strictEqual(status, 418))))

  it.effect("must have a documented status", () =>
    Effect.gen(function* () {
      const found = yield* wrongsOf(undeclared)
      assert.include(found, `${about}418: the document knows no 418 of this`)
    }),
  )

  it.effect("must have the documented shape, in any number of chunks", () =>
    Effect.gen(function* () {
      const found = yield* wrongsOf((_, response) => {
        response.writeHead(200, plinth)
        response.write('{"items":[{"id":')
        setImmediate(() => response.end('17}],"total":1,"skip":0,"limit":20}'))
      })
      assert.match(found.at(-1) ?? "", /^GET \S+ -> 200: data\/items\/0/)
    }),
  )

  it.effect("must have the headers of every answer, even if it is cut off", () =>
    Effect.gen(function* () {
      const found = yield* wrongsOf((_, response) => {
        response.writeHead(200, plinth)
        response.write('{"items":', () => response.destroy())
      })
      assert.include(found, `${about}200: x-frame-options: undefined`)
      assert.notInclude(found.join(), "data")
    }),
  )

  it.effect("is ignored if it is not Plinth's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* wrongsOf((_, response) => response.writeHead(418).end()), [])
    }),
  )

  it.effect(
    "is recorded in other processes, even if they are killed",
    () =>
      Effect.gen(function* () {
        const script = `
          const server = require("node:http").createServer((_, response) => {
            response.writeHead(418, { "x-api-version": "v1" }).end()
            response.once("close", () => process.kill(process.pid, "SIGKILL"))
          })
          server.listen(0, "127.0.0.1", () =>
            require("node:http").get({ ...server.address(), host: "127.0.0.1", path: "/api/v1/app/projects" }))`
        const { code } = yield* outcomeOf(yield* startProgram("--eval", {}, script))
        assert.strictEqual(code, null)
        const found = yield* violationsOf(takeWritten())
        assert.include(found, `${about}418: the document knows no 418 of this`)
      }),
    processTimeoutMs,
  )
})
