import "effect/schema/SchemaJITCompiler/enable"
import { Agent, request } from "node:http"
import { Effect, Layer, Redacted, Scheduler } from "effect"
import * as Server from "../../src/api/Server.ts"
import * as App from "../../src/App.ts"
import * as Migrations from "../../src/core/Migrations.ts"
import { Settings } from "../../src/core/Settings.ts"
import { Tokens } from "../../src/core/Tokens.ts"
import { UserId } from "../../src/domain/User.ts"
import { StepCounter } from "../fixtures/StepCounter.ts"

/**
 * What one request costs, exactly: steps of the fiber, and bytes of heap (run with
 * `--expose-gc --min-semi-space-size=256 --max-semi-space-size=256`, so that nothing is collected in between).
 * Prints JSON. The database is DATABASE_URL, a temporary one unless told otherwise.
 */

const counter = new StepCounter()
const rounds = 200

const environment = {
  HOST: "127.0.0.1",
  PORT: "0",
  LOG_LEVEL: "INFO",
  ENVIRONMENT: "staging",
  SECRET_KEY: "a-key-for-counting-1234567890-abcdefgh",
  SHUTDOWN_GRACE_SECONDS: "0",
  DATABASE_URL: process.env["DATABASE_URL"] ?? "sqlite::memory:",
}

const application = Server.layer.pipe(
  Layer.provide(Migrations.layer),
  Layer.provideMerge(App.layer),
  Layer.provide(Settings.layerFrom(environment)),
)

const program = Effect.gen(function* () {
  const { port } = yield* Server.Address
  const { sign } = yield* Tokens
  const token = Redacted.value(
    yield* sign({ sub: UserId.make("bench"), expires_in: 3600, purpose: "access" }),
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const send = (method: string, body?: string) =>
    Effect.promise(
      () =>
        new Promise<number>((resolve, reject) => {
          const sent = request(
            {
              agent,
              port,
              method,
              path: "/api/v1/app/projects",
              headers: {
                authorization: `Bearer ${token}`,
                ...(body !== undefined && { "content-type": "application/json" }),
              },
            },
            (response) => {
              response.resume()
              response.on("end", () => resolve(response.statusCode ?? 0))
            },
          )
          sent.on("error", reject)
          sent.end(body)
        }),
    )
  const create = send("POST", JSON.stringify({ name: "A project", description: "Of the bench" }))
  const list = send("GET")
  for (let n = 0; n < 20; n += 1) yield* create

  /** Steps of the server alone: the fiber that sends is counted once without a request and taken off. */
  const measure = Effect.fnUntraced(function* (work: Effect.Effect<number>) {
    for (let n = 0; n < rounds; n += 1) yield* work
    let least = Number.POSITIVE_INFINITY
    for (let n = 0; n < rounds; n += 1) {
      const before = counter.steps
      yield* work
      least = Math.min(least, counter.steps - before)
    }
    const base = counter.steps
    yield* Effect.promise(() => Promise.resolve(0))
    const own = counter.steps - base
    globalThis.gc?.()
    const heap = process.memoryUsage().heapUsed
    for (let n = 0; n < rounds; n += 1) yield* work
    const bytes = Math.round((process.memoryUsage().heapUsed - heap) / rounds)
    return { steps: least - own, bytes }
  })
  const measured = { list: yield* measure(list), create: yield* measure(create) }
  agent.destroy()
  process.stdout.write(`${JSON.stringify(measured)}\n`)
})

await Effect.runPromise(
  program.pipe(Effect.provide(application), Effect.provideService(Scheduler.Scheduler, counter)),
)
