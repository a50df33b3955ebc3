import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import type { Environment } from "../../src/core/settings/Settings.ts"
import { CleanupOldData, JobTypes } from "../../src/domain/jobs/JobKinds.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { Nap } from "../fixtures/processes/Nap.ts"
import { bundled } from "../fixtures/processes/Bundled.ts"
import { processTimeoutMs, plinth, start, startProgram } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving } from "../fixtures/processes/Serving.ts"
import { testAppWith } from "../TestApp.ts"
import { takenPort } from "../fixtures/servers/FreePort.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** The application of this process, which enqueues jobs but runs none. */
const app = testAppWith({}).pipe(
  Layer.provide(Layer.succeed(JobTypes, [CleanupOldData, Nap])),
  Layer.provide(Logger.layer([])),
)

type Start = NonNullable<NonNullable<Parameters<typeof serving>[1]>["by"]>

const asWorker =
  (begin: Start): Start =>
  ({ PORT, ...environment }) =>
    begin({ ...environment, WORKER_PORT: PORT })

const worker = asWorker((environment) => start(environment, "worker"))
const program = await bundled("test/fixtures/processes/NappingProcess.ts")
const napping = (word: "serve" | "worker"): Start => {
  const begin: Start = (environment) => startProgram(program, environment, word)
  return word === "worker" ? asWorker(begin) : begin
}

/** Starts a process on the database of the test, and waits until it listens. */
const begin = (by: Start, environment: Environment = {}) =>
  Effect.flatMap(TestDatabase, (DATABASE_URL) => serving({ DATABASE_URL, ...environment }, { by }))

const stateOf = (id: string) =>
  Effect.flatMap(JobQueue, ({ get }) => Effect.map(get(id), ({ state }) => state))

const untilState = (state: string, id: string) =>
  eventually(Effect.map(stateOf(id), (found) => found === state))

const statusOf = (port: number, path: string) =>
  Effect.map(sendTo(port, { path }), ({ status }) => status)

layer(app, { excludeTestServices: true })("plinth worker", (it) => {
  it.effect(
    "runs enqueued jobs, and serves only health and metrics on its port",
    () =>
      Effect.gen(function* () {
        const { enqueue, get } = yield* JobQueue
        const { id } = yield* enqueue(CleanupOldData, {})
        const METRICS_TOKEN = "metrics-token-of-this-test"
        const { port, stop } = yield* begin(worker, { METRICS_TOKEN })
        yield* untilState("completed", id)
        assert.strictEqual((yield* get(id)).attempts, 1)

        const live = yield* sendTo(port, { path: "/health" })
        assert.strictEqual(live.status, 200)
        assert.deepInclude(live.json, { status: "healthy" })
        const ready = yield* sendTo(port, { path: "/health/ready" })
        assert.strictEqual(ready.status, 200)
        assert.match(ready.text, /^\{"status":"healthy",.*"jobs":\{"status":"healthy"/)
        assert.strictEqual(yield* statusOf(port, "/metrics"), 401)
        const { text } = yield* sendTo(port, { path: "/metrics", token: METRICS_TOKEN })
        const labels = 'job_name="cleanup_old_data"'
        assert.include(text, `background_jobs_total{${labels},status="started"} 1\n`)
        assert.include(text, `background_jobs_total{${labels},status="completed"} 1\n`)
        assert.include(text, `background_job_duration_seconds_count{${labels}} 1\n`)
        // Counted at its start, before or after it claimed the job.
        assert.match(text, /^background_job_queue_size\{queue_name="cleanup_old_data"\} [01]$/m)
        assert.include(text, 'users_total{status="active"} 0\n')
        for (const path of ["/", "/docs", "/health/", "/api/v1/app"]) {
          assert.strictEqual(yield* statusOf(port, path), 404)
        }

        const { code, stderr } = yield* stop
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      }),
    processTimeoutMs,
  )

  it.effect(
    "stops claiming jobs on SIGTERM, is not ready, finishes the running job and exits with code 0",
    () =>
      Effect.gen(function* () {
        const { enqueue, get } = yield* JobQueue
        const { port, stop } = yield* begin(napping("worker"))
        const { id } = yield* enqueue(Nap, { millis: 2000 })
        yield* untilState("active", id)
        const ended = yield* Effect.forkScoped(stop, { startImmediately: true })
        yield* eventually(Effect.map(statusOf(port, "/health/ready"), (status) => status === 503))
        assert.strictEqual(yield* statusOf(port, "/health"), 200)
        const late = yield* enqueue(Nap, { millis: 1 })
        const { code, stderr } = yield* Fiber.join(ended)
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        const { attempts, state } = yield* get(id)
        assert.deepStrictEqual([state, attempts], ["completed", 1])
        assert.strictEqual(yield* stateOf(late.id), "waiting")
      }),
    processTimeoutMs,
  )

  it.effect(
    "hands back jobs that outlast the grace period, without counting the attempt",
    () =>
      Effect.gen(function* () {
        const { cancel, enqueue, get } = yield* JobQueue
        const { stop } = yield* begin(napping("worker"), { SHUTDOWN_GRACE_SECONDS: "1" })
        const { id } = yield* enqueue(Nap, { millis: 120_000 })
        yield* untilState("active", id)
        const { code } = yield* stop
        assert.strictEqual(code, 0)
        const { attempts, state } = yield* get(id)
        assert.deepStrictEqual([state, attempts], ["waiting", 0])
        yield* cancel(id)
      }),
    processTimeoutMs,
  )

  it.effect(
    "names every invalid variable, or the port in use, and exits with code 1",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* TestDatabase
        const bad = { WORKER_PORT: "canary-port", JOBS_CONCURRENCY: "0", DATABASE_URL }
        const settings = yield* plinth(bad, "worker")
        assert.strictEqual(settings.code, 1)
        assert.match(settings.stderr, /^plinth: WORKER_PORT: .*\nplinth: JOBS_CONCURRENCY: .*\n$/)

        const port = yield* takenPort
        const WORKER_PORT = String(port)
        const taken = yield* plinth(
          { WORKER_PORT, HOST: "127.0.0.1", LOG_LEVEL: "ERROR", DATABASE_URL },
          "worker",
        )
        assert.strictEqual(taken.code, 1)
        assert.match(taken.stderr, new RegExp(`^plinth: cannot listen on port ${port}: .+\n$`))
        assert.strictEqual(taken.stdout, "")
      }),
    processTimeoutMs,
  )
})

layer(app, { excludeTestServices: true })("plinth serve with JOBS_EMBEDDED", (it) => {
  it.effect(
    "runs jobs, and exits when its requests and jobs have ended",
    () =>
      Effect.gen(function* () {
        const { enqueue } = yield* JobQueue
        const environment = { ENVIRONMENT: "staging", JOBS_EMBEDDED: "true" }
        const { port, stop } = yield* begin(napping("serve"), environment)
        const { id } = yield* enqueue(Nap, { millis: 3000 })
        yield* untilState("active", id)
        const path = "/api/v1/public/health/ready"
        assert.match((yield* sendTo(port, { path })).text, /"jobs":\{"status":"healthy"/)
        const ended = yield* Effect.forkScoped(stop, { startImmediately: true })
        yield* eventually(Effect.map(statusOf(port, path), (status) => status === 503))
        // The drain starts before the wait for jobs.
        assert.strictEqual(yield* stateOf(id), "active")
        const { code, stderr } = yield* Fiber.join(ended)
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.strictEqual(yield* stateOf(id), "completed")
      }),
    processTimeoutMs,
  )
})
