// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Effect } from "effect"
import postgres from "postgres"
import { type PostgresServer, startPostgres } from "../fixtures/servers/PostgresServer.ts"
import { measureHostileBodies } from "./HostileBodies.ts"
import { measureLargeBody } from "./LargeBody.ts"
import { ask, load, textOf } from "./Load.ts"
import { measureAi } from "./Ai.ts"
import { measureJobs } from "./Jobs.ts"
import { measureRpc } from "./Rpc.ts"
import { measureScale } from "./Scale.ts"
import { type Server, start } from "./Processes.ts"
import { report } from "./Report.ts"
import { alternating, inTurn } from "./Rounds.ts"
import { reader, secret, seed, tokenOf, writer } from "./Seed.ts"

/**
 * `npm run bench [-- rounds requests]`: CPU per request of the built server and of a hand-written
 * Fastify server that does the same work, in alternating rounds, on SQLite and PostgreSQL; start
 * and memory of the built server; then hostile bodies, jobs, the AI gateway and RPC. `npm run bench
 * -- bodies`, `-- jobs`, `-- ai` and `-- rpc` run only these. Linux.
 */

const words = process.argv.slice(2)
const only = words.find((word) => ["bodies", "jobs", "ai", "rpc"].includes(word))
const [rounds = 7, requests = 8000] = only === undefined ? words.map(Number) : []
const directory = mkdtempSync(join(tmpdir(), "plinth-bench-"))
const path = "/api/v1/app/projects"
const body = JSON.stringify({
  name: " Analytical engine ",
  description: "Computes Bernoulli numbers",
})

const works = [
  {
    name: "list",
    text: textOf("GET", `${path}?limit=20`, { token: tokenOf(reader) }),
    status: 200,
  },
  { name: "create", text: textOf("POST", path, { token: tokenOf(writer), body }), status: 201 },
]

const plinth = (DATABASE_URL: string) =>
  start({ name: "plinth", entry: "dist/main.js", env: { ...environment, DATABASE_URL } })

const fastify = (DATABASE_URL: string) =>
  start({ name: "fastify", entry: "test/bench/Fastify.ts", env: { ...environment, DATABASE_URL } })

const environment = {
  HOST: "127.0.0.1",
  ENVIRONMENT: "staging",
  LOG_LEVEL: "INFO",
  SECRET_KEY: secret,
  DATA_DIR: directory,
  SHUTDOWN_GRACE_SECONDS: "1",
  FASTIFY_USER_CACHE_MS: "2000",
  RATE_LIMIT_DEFAULT: "1000000/second",
  PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null}}',
}

const main = async () => {
  process.stdout.write(execFileSync(process.execPath, ["scripts/Build.ts"], { encoding: "utf8" }))
  if (only === undefined) await measureServers()
  const server = await Effect.runPromise(startPostgres)
  try {
    if (only === undefined || only === "bodies") await onSqlite("bodies", measureHostileBodies)
    if (only === undefined || only === "jobs") await measureJobs(server)
    if (only === undefined || only === "ai") await onBoth(server, "gateway", measureAi)
    if (only === undefined || only === "rpc") await onBoth(server, "rpc", measureRpc)
  } finally {
    await Effect.runPromise(server.remove)
    rmSync(directory, { recursive: true, force: true })
  }
}

const onSqlite = async (database: string, measure: typeof measureHostileBodies) => {
  const DATABASE_URL = `sqlite:${join(directory, `${database}.db`)}`
  await seed(DATABASE_URL)
  await measure((env) =>
    start({
      name: "plinth",
      entry: "dist/main.js",
      env: { ...environment, DATABASE_URL, ...env },
    }),
  )
}

/** Runs on new databases of this name. */
const onBoth = async (server: PostgresServer, database: string, measure: typeof measureRpc) => {
  const sql = postgres(server.url("postgres"), { max: 1 })
  await sql.unsafe(`CREATE DATABASE ${database}`)
  await sql.end()
  const databases = [
    ["sqlite", `sqlite:${join(directory, `${database}.db`)}`],
    ["postgresql", server.url(database)],
  ] as const
  await inTurn(databases, async ([name, DATABASE_URL]) => {
    await seed(DATABASE_URL)
    await measure(name, (env) =>
      start({
        name: "plinth",
        entry: "dist/main.js",
        env: { ...environment, DATABASE_URL, ...env },
      }),
    )
  })
}

const measureServers = async () => {
  const server = await Effect.runPromise(startPostgres)
  try {
    await compare("sqlite", (name) => Promise.resolve(`sqlite:${join(directory, `${name}.db`)}`))
    await compare("postgresql", async (name) => {
      const sql = postgres(server.url("postgres"), { max: 1 })
      await sql.unsafe(`CREATE DATABASE ${name}`)
      await sql.end()
      return server.url(name)
    })
    await measureProcesses(server.url("ours"))
    await measureStart()
    await measureLargeBody(() => plinth(`sqlite:${join(directory, "start.db")}`))
  } finally {
    await Effect.runPromise(server.remove)
  }
}

const compare = async (database: string, create: (name: string) => Promise<string>) => {
  const urls = [await create("ours"), await create("theirs")] as const
  await seed(urls[0])
  await seed(urls[1])
  const ours = await plinth(urls[0])
  const theirs = await fastify(urls[1])
  try {
    await inTurn(works, async (work) => {
      await sameAnswers(ours, theirs, work.text)
      await alternate(database, work, [ours, theirs])
    })
  } finally {
    await Promise.all([ours.stop(), theirs.stop()])
  }
}

/** Headers that differ between any two answers. */
const fresh = /^(?:x-request-id|x-ratelimit-reset|date|etag)$/

/** Fails unless both answer with the same status, headers and body, which makes them comparable. */
const sameAnswers = async (ours: Server, theirs: Server, text: string) => {
  const answers = await Promise.all([ours, theirs].map(({ port }) => ask({ port, text })))
  const [a, b] = answers.map(({ status, headers, body: sent }) =>
    JSON.stringify(
      {
        status,
        headers: Object.entries(headers)
          .filter(([name]) => !fresh.test(name))
          .map(([name, value]) => `${name}: ${value.replace("; charset=utf-8", "")}`)
          .filter((field) => !field.startsWith("content-length"))
          .toSorted(),
        // Each server generates its own ids and times.
        body: status === 201 ? Object.keys(JSON.parse(sent) as object) : sent,
      },
      null,
      1,
    ),
  )
  if (a !== b) throw new Error(`the servers' answers differ:\n${a}\n${b}`)
}

const alternate = async (
  database: string,
  { name, text, status }: (typeof works)[number],
  servers: ReadonlyArray<Server>,
) => {
  const figures = await alternating(servers, rounds, async (server) => {
    const before = server.cpu()
    await load({ port: server.port, text, status }, requests)
    const used = ((server.cpu() - before) / requests) * 1e6
    await setTimeout(20)
    return used
  })
  for (const [at, server] of servers.entries()) {
    report(`${database} ${name} ${server.name}`, figures[at] ?? [], "µs")
  }
  const ratios = (figures[0] ?? []).map((our, at) => (figures[1]?.[at] ?? 0) / our)
  report(`${database} ${name} ratio`, ratios, "", 3)
}

/** Measures the list request on the database of the comparison. */
const measureProcesses = async (DATABASE_URL: string) => {
  const [list] = works
  if (list === undefined) return
  await measureScale(
    (env) =>
      start({
        name: "plinth",
        entry: "dist/main.js",
        env: { ...environment, DATABASE_URL, ...env },
      }),
    list,
  )
}

const measureStart = async () => {
  const database = join(directory, "start.db")
  await seed(`sqlite:${database}`)
  // The first start is discarded: it fills the compile cache.
  const [starts = []] = await alternating([`sqlite:${database}`], 10, async (url) => {
    const server = await plinth(url)
    const seen = { time: server.started, memory: server.memory().now }
    await server.stop()
    return seen
  })
  report("node alone, start to end", nodeAlone(), "ms")
  report(
    "start to first answer",
    starts.map(({ time }) => time),
    "ms",
  )
  report(
    "memory then",
    starts.map(({ memory }) => memory),
    "MiB",
  )
}

/** Node's own share of a start on this machine. */
const nodeAlone = () =>
  Array.from({ length: 10 }, () => {
    const begun = performance.now()
    execFileSync(process.execPath, ["--eval", "0"])
    return performance.now() - begun
  })

await main()
