// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { execFileSync } from "node:child_process"
import { Effect } from "effect"
import { startPostgres } from "../fixtures/servers/PostgresServer.ts"
import { measureAi } from "./Ai.ts"
import { compare, explain } from "./Comparison.ts"
import { type DatabaseKind, postgresqlOf, sqlite } from "./Databases.ts"
import { measureHostileBodies } from "./HostileBodies.ts"
import { measureIdle } from "./Idle.ts"
import { measureJobs } from "./Jobs.ts"
import { measureManyUsers } from "./ManyUsers.ts"
import type { Server } from "./Processes.ts"
import { measureRedisLimit } from "./RedisLimit.ts"
import { measureRefused } from "./Refused.ts"
import { inTurn } from "./Rounds.ts"
import { measureRpc } from "./Rpc.ts"
import { measureProcesses } from "./Scale.ts"
import { startPlinth } from "./Servers.ts"
import { measureStart } from "./Start.ts"
import { measureTracing } from "./Traces.ts"
import { works } from "./Works.ts"

/**
 * `npm run bench [-- words]`: compares the built server with a hand-written Fastify server that does
 * the same work, on SQLite and PostgreSQL, and measures the built server by itself. Each word
 * selects one measurement; a number is the number of rounds. Linux.
 */

const defaultRounds = 22

const main = async (selected: ReadonlySet<string>, rounds: number) => {
  const isSelected = (word: string) => selected.size === 0 || selected.has(word)
  process.stdout.write(execFileSync(process.execPath, ["scripts/Build.ts"], { encoding: "utf8" }))
  const server = await Effect.runPromise(startPostgres)
  const postgresql = postgresqlOf(server)
  const onBoth = (measure: (database: DatabaseKind, rounds: number) => Promise<void>) => () =>
    inTurn([sqlite, postgresql], (database) => measure(database, rounds))

  const measurements: Readonly<Record<Word, () => Promise<unknown>>> = {
    users: onBoth(measureManyUsers),
    redis: onBoth(measureRedisLimit),
    tracing: onBoth(measureTracing),
    processes: () => measureProcesses(postgresql, rounds),
    refused: () => measureRefused(sqlite, rounds),
    idle: () => measureIdle(sqlite),
    start: () => measureStart(sqlite),
    bodies: () => withServers(sqlite, "bodies", (_, start) => measureHostileBodies(start)),
    jobs: () => measureJobs(server),
    ai: onBoth((database) => withServers(database, "ai", measureAi)),
    rpc: onBoth((database) => withServers(database, "rpc", measureRpc)),
  }
  const comparedWorks = works.filter(({ name }) => isSelected(name))
  try {
    if (comparedWorks.length > 0) {
      explain()
      await onBoth((database) => compare(database, comparedWorks, rounds))()
    }
    await inTurn(words.filter(isSelected), (word) => measurements[word]())
  } finally {
    await Effect.runPromise(server.remove)
  }
}

const words = [
  ...(["users", "redis", "tracing", "processes", "refused", "idle"] as const),
  ...(["start", "bodies", "jobs", "ai", "rpc"] as const),
]
type Word = (typeof words)[number]

type Start = (env: Readonly<Record<string, string>>) => Promise<Server>

/** Runs a measurement that starts servers on one new database. */
const withServers = async (
  database: DatabaseKind,
  name: string,
  measure: (database: string, start: Start) => Promise<void>,
) => {
  const DATABASE_URL = await database.create(name)
  await measure(database.name, (env) => startPlinth({ DATABASE_URL, ...env }))
}

const isNumber = (argument: string) => /^[1-9]\d*$/.test(argument)
const given = process.argv.slice(2)
const selected = given.filter((argument) => !isNumber(argument))
const known: ReadonlyArray<string> = [...works.map(({ name }) => name), ...words]
const unknown = selected.filter((word) => !known.includes(word))
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(", ")}. Words: ${known.join(", ")}\n`)
  process.exitCode = 1
} else {
  await main(new Set(selected), Number(given.find(isNumber) ?? defaultRounds))
}
