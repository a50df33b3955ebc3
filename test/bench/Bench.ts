// @effect-diagnostics asyncFunction:off -- what measures Effect is not written in it
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Effect } from "effect"
import postgres from "postgres"
import { startPostgres } from "../PostgresServer.ts"
import { ask, load, textOf } from "./Load.ts"
import { measureJobs } from "./Jobs.ts"
import { measureScale } from "./Scale.ts"
import { type Server, start } from "./Processes.ts"
import { report } from "./Report.ts"
import { alternating, inTurn } from "./Rounds.ts"
import { reader, secret, seed, tokenOf, writer } from "./Seed.ts"

/**
 * `npm run bench [-- rounds requests]`: CPU per request of the built server and of a hand-written Fastify server that
 * does the same work, in alternating rounds, on SQLite and PostgreSQL; start and memory of the built server; then
 * jobs. `npm run bench -- jobs`: those alone. Linux.
 */

const words = process.argv.slice(2)
const [rounds = 7, requests = 8000] = words[0] === "jobs" ? [] : words.map(Number)
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
}

const main = async () => {
  if (words[0] !== "jobs") await measureServers()
  const server = await Effect.runPromise(startPostgres)
  try {
    await measureJobs(server)
  } finally {
    await Effect.runPromise(server.remove)
  }
}

const measureServers = async () => {
  process.stdout.write(execFileSync(process.execPath, ["scripts/Build.ts"], { encoding: "utf8" }))
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
    await measureLargeBody()
  } finally {
    await Effect.runPromise(server.remove)
    rmSync(directory, { recursive: true, force: true })
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

/** What cannot be the same in two answers. */
const fresh = /^(?:x-request-id|x-ratelimit-reset|date|etag)$/

/** Status, headers and body of both, or a comparison would mean nothing. */
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
        // Ids and times of what was just made are each server's own.
        body: status === 201 ? Object.keys(JSON.parse(sent) as object) : sent,
      },
      null,
      1,
    ),
  )
  if (a !== b) throw new Error(`the servers do not answer alike:\n${a}\n${b}`)
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

/** With the list, on the database of the comparison. */
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
  // The first, which does not count, fills the compile cache.
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

/** What of a start is Node's own on this machine. */
const nodeAlone = () =>
  Array.from({ length: 10 }, () => {
    const begun = performance.now()
    execFileSync(process.execPath, ["--eval", "0"])
    return performance.now() - begun
  })

const hundredMegabytes = 100_000_000

const measureLargeBody = async () => {
  const server = await plinth(`sqlite:${join(directory, "start.db")}`)
  const token = tokenOf(writer)
  await load({ port: server.port, text: works[0]?.text ?? "", status: 200 }, 2000)
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`
  const framings = [`Content-Length: ${hundredMegabytes}`, "Transfer-Encoding: chunked"]
  await inTurn(framings, async (framing) => {
    server.forget()
    const before = server.memory().now
    const status = await pour(server.port, `${head}${framing}\r\n\r\n`, framing.startsWith("T"))
    const grown = server.memory().peak - before
    process.stdout.write(`100 MB body, ${framing}: ${status}, memory +${grown.toFixed(1)} MiB\n`)
  })
  await server.stop()
}

/** Sends 100 MB as fast as they are taken, whatever the answer; its status line. */
const pour = (port: number, head: string, chunked: boolean) =>
  new Promise<string>((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" })
    const part = Buffer.alloc(65_536, "a")
    const framed = chunked
      ? Buffer.concat([Buffer.from("10000\r\n"), part, Buffer.from("\r\n")])
      : part
    let answer = ""
    let sent = 0
    const end = () => {
      socket.destroy()
      resolve(`${answer.split("\r\n")[0]} after ${Math.round(sent / 1e6)} MB`)
    }
    const send = () => {
      while (sent < hundredMegabytes && !socket.destroyed) {
        sent += part.length
        if (!socket.write(framed)) return
      }
      if (sent >= hundredMegabytes) setTimeout(500).then(end, end)
    }
    socket.on("data", (data) => (answer += data.toString("latin1")))
    socket.on("drain", send)
    socket.on("error", () => undefined)
    socket.on("close", end)
    socket.write(head)
    send()
  })

await main()
