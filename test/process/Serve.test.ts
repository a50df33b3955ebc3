import type { ChildProcess } from "node:child_process"
import { Agent, request } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { freePort } from "../fixtures/servers/FreePort.ts"
import { outcomeOf, processTimeoutMs, plinth, start } from "../fixtures/processes/Plinth.ts"

interface Answer {
  readonly status: number
  readonly connection: string | undefined
  readonly body: string
}

/** Sends a GET. The `code` of the error says how the connection failed. */
const get = (port: number, path: string, agent?: Agent) =>
  Effect.callback<Answer, NodeJS.ErrnoException>((resume) => {
    const sent = request({ port, path, host: "127.0.0.1", agent }, (response) => {
      let body = ""
      response.on("data", (chunk: Buffer) => (body += chunk.toString()))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            connection: response.headers.connection,
            body,
          }),
        ),
      )
      response.on("error", (error) => resume(Effect.fail(error)))
    })
    // Accepted and never answered: fails with a code that no test expects.
    sent.setTimeout(5000, () => sent.destroy())
    sent.on("error", (error) => resume(Effect.fail(error)))
    sent.end()
  })

const health = "/api/v1/public/health"

/** Polls until the server answers. A connection that was accepted must be answered. */
const awaitHealth = (port: number): Effect.Effect<Answer, NodeJS.ErrnoException> =>
  Effect.catchIf(
    get(port, health),
    ({ code }) => code === "ECONNREFUSED",
    () => Effect.andThen(Effect.sleep("5 millis"), awaitHealth(port)),
  )

/** A server that drains as in production, but on SQLite. */
const serving = Effect.gen(function* () {
  const port = yield* freePort
  const child = yield* start(
    { PORT: String(port), HOST: "127.0.0.1", ENVIRONMENT: "staging", LOG_LEVEL: "ERROR" },
    "serve",
  )
  const ended = yield* Effect.forkScoped(outcomeOf(child), { startImmediately: true })
  yield* awaitHealth(port)
  return { port, child, ended }
})

const terminate = (child: ChildProcess) => Effect.sync(() => child.kill("SIGTERM"))

describe("plinth serve", () => {
  it.live(
    "names every invalid variable without its value, and exits with code 1",
    () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* plinth(
          { PORT: "canary-port", DATABASE_URL: "mysql://canary", ENVIRONMENT: "canary-env" },
          "serve",
        )
        assert.strictEqual(code, 1)
        for (const name of ["PORT", "DATABASE_URL", "ENVIRONMENT"]) {
          assert.match(stderr, new RegExp(`^plinth: ${name}:`, "m"))
        }
        assert.notInclude(stderr, "canary-")
      }),
    processTimeoutMs,
  )

  it.live(
    "answers every connection that it accepts since its start, and reports its drain in readiness",
    () =>
      Effect.gen(function* () {
        const { child, port } = yield* serving
        const agent = new Agent({ keepAlive: true })
        yield* get(port, health, agent)
        yield* terminate(child)
        yield* Effect.sleep("300 millis")

        const ready = yield* get(port, "/api/v1/public/health/ready", agent)
        assert.strictEqual(ready.status, 503)
        assert.include(ready.body, '"unhealthy"')
        assert.strictEqual(ready.connection, "close")
        assert.strictEqual((yield* get(port, health)).status, 200)
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )

  it.live(
    "fails no request when it is stopped under load, and exits with code 0",
    () =>
      Effect.gen(function* () {
        const { child, ended, port } = yield* serving
        const agent = new Agent({ keepAlive: true, maxSockets: 8 })
        let answered = 0
        let inRotation = true
        const client: Effect.Effect<void, NodeJS.ErrnoException> = Effect.flatMap(
          get(port, health, agent),
          ({ status }) => {
            assert.strictEqual(status, 200)
            answered += 1
            return inRotation ? client : Effect.void
          },
        )
        /** Stops sending when the server is not ready, as a load balancer does. */
        const balancer: Effect.Effect<void, NodeJS.ErrnoException> = Effect.flatMap(
          get(port, "/api/v1/public/health/ready"),
          ({ status }) => {
            inRotation = status === 200
            return inRotation ? Effect.andThen(Effect.sleep("200 millis"), balancer) : Effect.void
          },
        )
        const clients = Effect.forEach(Array.from({ length: 8 }), () => client, {
          concurrency: "unbounded",
          discard: true,
        })
        yield* Effect.all([clients, balancer, Effect.delay(terminate(child), "300 millis")], {
          concurrency: "unbounded",
        })
        assert.isAbove(answered, 8)
        assert.strictEqual((yield* Fiber.join(ended)).code, 0)
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )

  it.live(
    "exits at once on a second signal, but treats a doubled Ctrl-C as one",
    () =>
      Effect.gen(function* () {
        const { child, ended, port } = yield* serving
        yield* terminate(child)
        yield* terminate(child)
        yield* Effect.sleep("500 millis")
        assert.strictEqual((yield* get(port, health)).status, 200)
        yield* terminate(child)
        assert.strictEqual((yield* Fiber.join(ended)).code, 130)
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )
})
