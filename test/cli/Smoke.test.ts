import type { RequestListener } from "node:http"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { canary, outcomeOf, processTimeoutMs, plinth, start } from "../fixtures/processes/Plinth.ts"
import { baseUrl, newUser, TestServer, tokenFor } from "../TestApp.ts"
import { localServer } from "../fixtures/servers/LocalServer.ts"

const decode = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      status: Schema.String,
      url: Schema.String,
      checks: Schema.Array(
        Schema.Struct({ check: Schema.String, status: Schema.String, detail: Schema.String }),
      ),
    }),
  ),
)

/** Returns the status of each check by its name, with the detail of a failure. */
const verdicts = (stdout: string) =>
  Object.fromEntries(
    decode(stdout).checks.map(({ check, detail, status }) => [
      check,
      status === "failed" ? `${status}: ${detail}` : status,
    ]),
  )

/** A server that is not Plinth, on its own port. */
const other = (answer: RequestListener) => Effect.map(localServer(answer), ({ url }) => url)

layer(TestServer, { excludeTestServices: true })("plinth smoke", (it) => {
  it.effect(
    "passes for a working service, with and without a token, and does not show the token",
    () =>
      Effect.gen(function* () {
        const [url, token] = [yield* baseUrl, yield* tokenFor(newUser())]
        // Without settings, as on a machine that can only reach the service.
        const { code, stderr, stdout } = yield* plinth(
          { SECRET_KEY: "", PORT: "nonsense", PLINTH_TOKEN: token },
          "smoke",
          `${url}/`,
          "--json",
        )

        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(decode(stdout), { status: "ok", url })
        assert.deepStrictEqual(verdicts(stdout), {
          health: "ok",
          headers: "ok",
          ready: "ok",
          "unknown route": "ok",
          "without a token": "ok",
          "with a token": "ok",
        })
        assert.notInclude(stdout, token)
      }),
    processTimeoutMs,
  )

  it.effect(
    "skips the check of the user without a token, and fails for a refused token",
    () =>
      Effect.gen(function* () {
        const url = yield* baseUrl
        const without = yield* plinth({}, "smoke", url)
        const refused = yield* plinth({ PLINTH_TOKEN: canary }, "smoke", url)

        assert.strictEqual(without.code, 0)
        assert.match(without.stdout, /^with a token +skipped +PLINTH_TOKEN is not set$/m)
        assert.deepStrictEqual(
          [refused.code, refused.stderr],
          [1, "plinth: failed: with a token\n"],
        )
        assert.match(refused.stdout, /^with a token +failed +answered 401 instead of 200$/m)
      }),
    processTimeoutMs,
  )

  it.effect(
    "fails every check for a server that is not Plinth",
    () =>
      Effect.gen(function* () {
        const url = yield* other((_, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome</h1>")
        })
        const { code, stdout } = yield* plinth({}, "smoke", url, "--wait", "0", "--json")

        assert.strictEqual(code, 1)
        const { headers, ...others } = verdicts(stdout)
        assert.match(headers ?? "", /^failed: missing or wrong: x-request-id, x-api-version, /)
        assert.deepStrictEqual(others, {
          health: "failed: 200 with an unexpected body",
          ready: "failed: 200 with an unexpected body",
          "unknown route": "failed: answered 200 instead of 404",
          "without a token": "failed: answered 200 instead of 401",
          "with a token": "skipped",
        })
      }),
    processTimeoutMs,
  )

  it.effect(
    "follows no redirect, so that the token is not sent to another server",
    () =>
      Effect.gen(function* () {
        const received: Array<string> = []
        const thief = yield* other((request, response) => {
          received.push(request.url ?? "")
          response.end()
        })
        const url = yield* other((_, response) => {
          response.writeHead(308, { location: thief }).end()
        })
        const { code, stdout } = yield* plinth(
          { PLINTH_TOKEN: canary },
          "smoke",
          url,
          "--wait",
          "0",
        )

        assert.strictEqual(code, 1)
        assert.match(stdout, /^health +failed +answered 308 instead of 200$/m)
        assert.deepStrictEqual(received, [])
      }),
    processTimeoutMs,
  )

  it.effect(
    "ends when the connection is refused, and when a server never answers",
    () =>
      Effect.gen(function* () {
        const unresponsive = yield* other(() => undefined)
        const [refused, hanging] = yield* Effect.all(
          [
            plinth({}, "smoke", "http://127.0.0.1:1234", "--wait", "1", "--json"),
            plinth({}, "smoke", unresponsive, "--wait", "0", "--json"),
          ],
          { concurrency: 2 },
        )

        assert.deepStrictEqual([refused.code, hanging.code], [1, 1])
        assert.include(verdicts(refused.stdout), {
          health: "failed: no answer: ECONNREFUSED",
          ready: "failed: no answer: ECONNREFUSED",
        })
        assert.include(verdicts(hanging.stdout), {
          health: "failed: no answer in 5 s",
          ready: "failed: no answer in 5 s",
        })
      }),
    processTimeoutMs,
  )

  it.effect(
    "waits for a starting service, and reports which component is down",
    () =>
      Effect.gen(function* () {
        let asked = 0
        const url = yield* other(({ url: path }, response) => {
          asked += 1
          if (asked === 1) {
            response.writeHead(502).end()
          } else if (path === "/api/v1/public/health/ready") {
            const database = { status: "unhealthy", latency_ms: 2000 }
            response
              .writeHead(503)
              .end(JSON.stringify({ status: "unhealthy", components: { database } }))
          } else {
            response.end(JSON.stringify({ status: "healthy" }))
          }
        })
        const child = yield* start({}, "smoke", url, "--json")
        const { code, stdout } = yield* outcomeOf(child)

        assert.strictEqual(code, 1)
        assert.include(verdicts(stdout), {
          health: "ok",
          ready: "failed: 503, unhealthy: database unhealthy",
        })
      }),
    processTimeoutMs,
  )

  it.effect(
    "refuses arguments that are not the URL of a service",
    () =>
      Effect.gen(function* () {
        const outcomes = yield* Effect.forEach(
          ["api.example.com", "ftp://api.example.com", "https://ada:pass@api.example.com"],
          (url) => plinth({}, "smoke", url),
          { concurrency: 2 },
        )
        for (const { code, stderr } of outcomes) {
          assert.strictEqual(code, 2)
          assert.match(stderr, /Expected: an http:\/\/ or https:\/\/ URL without query or password/)
        }
      }),
    processTimeoutMs,
  )
})
