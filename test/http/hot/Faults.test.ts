import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpServerResponse } from "effect/http"
import { Projects } from "../../../src/business/projects/Projects.ts"
import * as Server from "../../../src/http/Server.ts"
import { newCaller } from "../../fixtures/http/Callers.ts"
import { bytesOf } from "../../fixtures/http/Http.ts"
import { doors, testAppWith } from "../../TestApp.ts"

const responseWith = (options: Parameters<typeof HttpServerResponse.text>[1]) =>
  Effect.succeed(HttpServerResponse.text("{}", options))

/** Responses that a handler must not make, and the status of the answer. */
const faults: ReadonlyArray<readonly [string, Effect.Effect<unknown>, number]> = [
  ["dies", Effect.die("a fault"), 500],
  ["interrupts itself", Effect.interrupt, 503],
  ["sends a header that HTTP does not have", responseWith({ headers: { "x-a": "\n" } }), 500],
  ["does so later", Effect.delay(responseWith({ headers: { "x a": "" } }), "5 millis"), 500],
  ["sends a status that HTTP does not have", responseWith({ status: 42 }), 500],
]

for (const [name, fault, status] of faults) {
  const broken = Layer.effect(
    Projects,
    Effect.map(Projects, (projects) => ({ ...projects, get: () => fault as never })),
  )
  const server = doors.pipe(
    Layer.provideMerge(Layer.provideMerge(broken, testAppWith({}))),
    Layer.provideMerge(FetchHttpClient.layer),
  )
  it.live(`a handler that ${name} gets a ${status} to its client, and the server goes on`, () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const { port } = yield* Server.Address
      const path = "/api/v1/app/projects/0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c"
      const head = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n`
      const answer = bytesOf(port, [`${head}Connection: close\r\n\r\n`])
      for (const bytes of [yield* answer, yield* answer]) {
        assert.match(bytes.toString(), new RegExp(`^HTTP/1\\.1 ${status} `))
      }
    }).pipe(Effect.timeout("2 seconds"), Effect.provide(server)),
  )
}
