// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { resolve } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout } from "node:timers/promises"
import { spawn } from "node:child_process"
import { Effect, Layer, Schema } from "effect"
import postgres from "postgres"
import { handler } from "../../src/core/jobs/Execution.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import * as JobRunner from "../../src/core/jobs/Runner.ts"
import { Settings } from "../../src/core/settings/Settings.ts"
import { faultJobs } from "../fixtures/processes/FaultJobs.ts"
import { jobProcess } from "../fixtures/processes/JobProcess.ts"
import type { PostgresServer } from "../fixtures/servers/PostgresServer.ts"
import { startBare, type WorkMode } from "./BarePgBoss.ts"
import { cpuOf } from "./Processes.ts"
import { report } from "./Report.ts"
import { alternating, inTurn } from "./Rounds.ts"
import { secret } from "./Tokens.ts"

/**
 * Measures jobs on PostgreSQL: jobs enqueued and run per second, beside bare pg-boss in alternating
 * rounds; the wait before a job starts under low load; and the cost of an idle worker.
 */

const rounds = 3
const jobs = 5000
const senders = 32

class Ten extends Schema.Class<Ten>("bench_ten")({ n: Schema.Int }, { job: { concurrency: 10 } }) {}
class Many extends Schema.Class<Many>("bench_many")(
  { n: Schema.Int },
  { job: { concurrency: 32 } },
) {}

export const measureJobs = async (server: PostgresServer) => {
  const admin = postgres(server.url("postgres"), { max: 1 })
  try {
    const databases = ["single", "batches", "ours", "pick_up", "idle"]
    await inTurn(databases, (name) => admin.unsafe(`CREATE DATABASE ${name}`))
    await measureThroughput(server)
    await measurePickUp(server.url("pick_up"))
    await measureIdle(server.url("idle"), admin)
  } finally {
    await admin.end()
  }
}

/** Jobs per second of one round. */
interface Rates {
  readonly enqueued: number
  readonly run: number
  readonly both: number
}

const measureThroughput = async ({ url }: PostgresServer) => {
  const contestants = [
    { name: "pg-boss, single", round: () => bareRound(url("single"), "single") },
    { name: "pg-boss, batches of ten", round: () => bareRound(url("batches"), "batches") },
    { name: "ours, ten at once", round: () => ourRound(url("ours"), Ten) },
    { name: "ours, 32 at once", round: () => ourRound(url("ours"), Many) },
  ]
  const figures = await alternating(contestants, rounds, ({ round }) => round())
  for (const [at, { name }] of contestants.entries()) {
    for (const what of ["enqueued", "run", "both"] as const) {
      const rates = (figures[at] ?? []).map((rate) => rate[what])
      report(`jobs: ${name}, ${what}`, rates, "/s", 0)
    }
  }
  const [single = [], batches = [], ten = [], many = []] = figures
  report("jobs: ratio, ten to single", ratio(ten, single), "", 2)
  report("jobs: ratio, 32 to single", ratio(many, single), "", 2)
  report("jobs: ratio, ten to batches", ratio(ten, batches), "", 2)
}

const ratio = (ours: ReadonlyArray<Rates>, theirs: ReadonlyArray<Rates>) =>
  ours.map(({ both }, round) => both / (theirs[round]?.both ?? Number.NaN))

const ratesOf = (begun: number, enqueued: number, ended: number): Rates => ({
  enqueued: (jobs / (enqueued - begun)) * 1000,
  run: (jobs / (ended - enqueued)) * 1000,
  both: (jobs / (ended - begun)) * 1000,
})

const bareRound = async (url: string, mode: WorkMode) => {
  const pgBoss = await startBare(url, mode)
  try {
    const begun = performance.now()
    await pgBoss.send(jobs, senders)
    const enqueued = performance.now()
    await pgBoss.work(jobs)
    return ratesOf(begun, enqueued, performance.now())
  } finally {
    await pgBoss.stop()
  }
}

const ours = (DATABASE_URL: string, concurrency: number) =>
  Layer.fresh(
    jobProcess(
      [Ten, Many],
      Settings.layerFrom({
        DATABASE_URL,
        SECRET_KEY: secret,
        JOBS_CONCURRENCY: String(concurrency),
      }),
    ),
  )

const ourRound = (url: string, type: typeof Ten | typeof Many) =>
  Effect.gen(function* () {
    const queue = yield* JobQueue
    const begun = performance.now()
    yield* Effect.forEach(
      Array.from({ length: jobs }, (_, n) => n),
      (n) => queue.enqueue(type, { n }),
      { concurrency: senders, discard: true },
    )
    const enqueued = performance.now()
    let left = jobs
    const all = Promise.withResolvers<void>()
    const done = Effect.sync(() => {
      left -= 1
      if (left === 0) all.resolve()
    })
    yield* JobRunner.start([yield* handler(type, () => done)])
    yield* Effect.promise(() => all.promise)
    return ratesOf(begun, enqueued, performance.now())
  }).pipe(Effect.scoped, Effect.provide(ours(url, type === Ten ? 10 : 32)), Effect.runPromise)

/**
 * Measures the time from the commit of a job to the start of its handler, at 20 jobs per second.
 */
const measurePickUp = (url: string) =>
  Effect.gen(function* () {
    const queue = yield* JobQueue
    const committed = new Map<number, number>()
    const begun = new Map<number, number>()
    const begin = ({ n }: Ten) => Effect.sync(() => begun.set(n, performance.now()))
    yield* JobRunner.start([yield* handler(Ten, begin)])
    yield* Effect.sleep("1 second")
    for (let n = 0; n < 300; n += 1) {
      yield* queue.enqueue(Ten, { n })
      committed.set(n, performance.now())
      yield* Effect.sleep("50 millis")
    }
    yield* Effect.sleep("1 second")
    const waits = [...committed].map(([n, at]) => (begun.get(n) ?? Number.NaN) - at)
    const sorted = waits.toSorted((a, b) => a - b)
    const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? Number.NaN
    report("jobs: pick-up p50", [at(0.5)], "ms")
    report("jobs: pick-up p99", [at(0.99)], "ms")
  }).pipe(Effect.scoped, Effect.provide(ours(url, 10)), Effect.runPromise)

const idleSeconds = 20

const measureIdle = async (DATABASE_URL: string, admin: postgres.Sql) => {
  const kinds = faultJobs.map(({ identifier }) => identifier)
  const child = spawn(
    process.execPath,
    [resolve("test/fixtures/processes/FaultWorker.ts"), ...kinds],
    {
      env: { DATABASE_URL, SECRET_KEY: secret },
      stdio: ["ignore", "pipe", "inherit"],
    },
  )
  try {
    // Waits for the ready event.
    for await (const _ of createInterface({ input: child.stdout })) break
    await setTimeout(3000)
    const cpu = cpuOf(child.pid)
    const transactions = await transactionsOf(admin)
    await setTimeout(idleSeconds * 1000)
    const used = cpuOf(child.pid) - cpu
    const transactionCount = (await transactionsOf(admin)) - transactions
    report("jobs: idle worker, CPU", [(used / idleSeconds) * 100], "%", 2)
    report("jobs: idle worker, transactions", [transactionCount / idleSeconds], "/s")
  } finally {
    child.kill("SIGKILL")
  }
}

const transactionsOf = async (admin: postgres.Sql) => {
  const [row] = await admin<[{ count: string }]>`
    SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = 'idle'
  `
  return Number(row.count)
}
