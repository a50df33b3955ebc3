// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import type { DatabaseKind } from "./Databases.ts"
import { load } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { withRedis } from "./RedisServers.ts"
import { report, reportRatio } from "./Report.ts"
import { alternating } from "./Rounds.ts"
import { startPlinth } from "./Servers.ts"
import { list, withOneToken } from "./Works.ts"

const requests = 4000
const connections = 64
/** Two processes share the requests, so that each needs more rounds until V8 has compiled its code. */
const warmUp = 3
/** Windows are longer than those of one thread, so fewer are needed. */
const roundsOf = (rounds: number) => Math.ceil(rounds / 3)

/** Compares two processes with one, all with Redis: CPU of all threads per request, and throughput. */
export const measureProcesses = (database: DatabaseKind, rounds: number) =>
  withRedis(async (REDIS_URL) => {
    const DATABASE_URL = await database.create("processes")
    const start = () => startPlinth({ DATABASE_URL, REDIS_URL })
    const groups = [[await start()], [await start(), await start()]]
    const text = withOneToken(list)
    try {
      const run = async (servers: ReadonlyArray<Server>) => {
        const [begun, before] = [performance.now(), total(servers)]
        const { length } = servers
        await Promise.all(
          servers.map(({ port }) =>
            load({ port, status: 200, text }, requests / length, connections / length),
          ),
        )
        return {
          rate: requests / ((performance.now() - begun) / 1000),
          cpu: ((total(servers) - before) / requests) * 1e6,
        }
      }
      const [one = [], two = []] = await alternating(groups, roundsOf(rounds), run, warmUp)
      const cpuOf = (found: typeof one) => found.map(({ cpu }) => cpu)
      const rateOf = (found: typeof one) => found.map(({ rate }) => rate)
      reportRatio("two processes / one, CPU per request", cpuOf(two), cpuOf(one))
      report("one process, CPU per request", cpuOf(one), "µs")
      report("two processes, CPU per request", cpuOf(two), "µs")
      report("one process, list requests", rateOf(one), "/s", 0)
      report("two processes, list requests", rateOf(two), "/s", 0)
    } finally {
      await Promise.all(groups.flat().map((server) => server.stop()))
    }
  })

const total = (servers: ReadonlyArray<Server>) =>
  servers.reduce((sum, server) => sum + server.cpu(), 0)
