import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { outcomeOf, processTimeoutMs, start } from "../fixtures/processes/Plinth.ts"
import { TestDatabase } from "../TestDatabase.ts"

layer(TestDatabase.layer)("plinth serve", (it) => {
  it.effect(
    "serves until it is stopped, and exits with code 0",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* TestDatabase
        const server = yield* start({ DATABASE_URL, PORT: "0", HOST: "127.0.0.1" }, "serve")
        const url = yield* Effect.callback<string>((resume) => {
          let log = ""
          server.stdout?.on("data", (chunk: Buffer) => {
            log += chunk.toString()
            const [address] = /http:\/\/localhost:\d+/.exec(log) ?? []
            if (address !== undefined) resume(Effect.succeed(address))
          })
        })

        const client = yield* HttpClient.HttpClient
        const { status } = yield* client.get(
          `${url.replace("localhost", "127.0.0.1")}/api/v1/public/health/ready`,
        )
        server.kill("SIGTERM")
        const { code, stderr } = yield* outcomeOf(server)

        assert.deepStrictEqual({ status, code, stderr }, { status: 200, code: 0, stderr: "" })
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    processTimeoutMs,
  )
})
