import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, Redacted, Scheduler } from "effect"
import * as Doors from "../../src/Doors.ts"
import * as Server from "../../src/http/Server.ts"
import * as App from "../../src/App.ts"
import * as Migrations from "../../src/core/sql/Migrations.ts"
import { Settings } from "../../src/core/settings/Settings.ts"
import { Tokens } from "../../src/core/identity/Tokens.ts"
import { UserId } from "../../src/domain/users/User.ts"
import { StepCounter } from "../fixtures/data/StepCounter.ts"
import { callOf, load, type Request, textOf } from "./Load.ts"

/**
 * The exact cost of one request: steps of its fibers, and bytes of heap. Run with `--expose-gc
 * --min-semi-space-size=256 --max-semi-space-size=256`, so that nothing is collected while
 * counting. Prints one line `counts {…}` among the log lines, which are part of the cost.
 */

const counter = new StepCounter()
const rounds = 200
/** The first batches vary while the code is being compiled. */
const warmUp = 3000
const batches = 7

const rpcToken = "a-token-for-counting-1234567890-abcd"

const environment = {
  HOST: "127.0.0.1",
  PORT: "0",
  LOG_LEVEL: "INFO",
  ENVIRONMENT: "staging",
  SECRET_KEY: "a-key-for-counting-1234567890-abcdefgh",
  SHUTDOWN_GRACE_SECONDS: "0",
  RATE_LIMIT_DEFAULT: "1000000/second",
  RPC_TOKEN: rpcToken,
  PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null}}',
  DATABASE_URL: "sqlite::memory:",
}

const application = Doors.layer.pipe(
  Layer.provide(Migrations.layer),
  Layer.provideMerge(App.layer),
  Layer.provide(Settings.layerFrom(environment)),
)

/** Counts the steps of awaiting a promise, including everything that runs meanwhile. */
const awaited = Effect.fnUntraced(function* (work: () => Promise<unknown>) {
  const before = counter.steps
  yield* Effect.promise(work)
  return counter.steps - before
})

const program = Effect.gen(function* () {
  const { port } = yield* Server.Address
  const { sign } = yield* Tokens
  const token = Redacted.value(
    yield* sign({ sub: UserId.make("bench"), expires_in: 3600, purpose: "access" }),
  )
  const path = "/api/v1/app/projects"
  const list = { port, text: textOf("GET", `${path}?limit=20`, { token }), status: 200 }
  const body = JSON.stringify({ name: "A project", description: "Of the bench" })
  const create = { port, text: textOf("POST", path, { token, body }), status: 201 }

  /** The client is no fiber: awaiting it is measured with an empty promise and subtracted. */
  const measure = Effect.fnUntraced(function* (request: Request) {
    const send = (count: number) => awaited(() => load(request, count, 1))
    yield* send(warmUp)
    const idle = yield* awaited(() => Promise.resolve())
    // Takes the minimum: some requests read the user from the database again.
    const steps = yield* Effect.forEach(Array.from({ length: 20 }), () => send(1))
    const bytes: Array<number> = []
    for (let n = 0; n < batches; n += 1) {
      globalThis.gc?.()
      const before = process.memoryUsage().heapUsed
      yield* send(rounds)
      bytes.push(Math.round((process.memoryUsage().heapUsed - before) / rounds))
    }
    const median = bytes.toSorted((a, b) => a - b)[Math.floor(batches / 2)]
    return { steps: Math.min(...steps) - idle, bytes: median }
  })
  yield* Effect.promise(() => load(create, 20, 1))
  const listed = callOf(rpcToken, "projects.list", { owner_id: "bench", limit: 20 })
  const measured = {
    list: yield* measure(list),
    create: yield* measure(create),
    rpcList: yield* measure({ port, text: listed, status: 200 }),
  }
  process.stdout.write(`counts ${JSON.stringify(measured)}\n`)
})

await Effect.runPromise(
  program.pipe(Effect.provide(application), Effect.provideService(Scheduler.Scheduler, counter)),
)
