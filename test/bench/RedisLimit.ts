// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { sameAnswers } from "./Answers.ts"
import type { DatabaseKind } from "./Databases.ts"
import { load } from "./Load.ts"
import { countScripts, withRedis } from "./RedisServers.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { inTurn } from "./Rounds.ts"
import { startFastify, startPlinth } from "./Servers.ts"
import { cpuPerRequest } from "./Windows.ts"
import { list, withOneToken } from "./Works.ts"

const requests = 2000

/** Compares the list when both count the rate limit in Redis, and prints the round trips to it. */
export const measureRedisLimit = (database: DatabaseKind, rounds: number) =>
  withRedis(async (REDIS_URL) => {
    const DATABASE_URL = await database.create("redis_limit")
    const copy = await database.copy("redis_limit", "redis_limit_fastify")
    const servers = await Promise.all([
      startPlinth({ DATABASE_URL, REDIS_URL }),
      startFastify({ DATABASE_URL: copy, REDIS_URL }),
      startPlinth({ DATABASE_URL }),
    ])
    const [plinth, fastify] = servers
    try {
      await sameAnswers(servers, list)
      const [ours = [], theirs = [], without = []] = await cpuPerRequest(
        servers.map((server) => ({ server, status: 200, text: withOneToken(list) })),
        rounds,
      )
      const name = `${database.name} list with Redis`
      reportRatio(`${name}, ratio, Plinth remembers`, theirs, ours)
      reportRatio(`${name} / without, Plinth`, ours, without)
      reportCost(`${name}, Plinth`, ours)
      reportCost(`${name}, Fastify`, theirs)
      await inTurn([plinth, fastify], async ({ name: server, port }) => {
        const request = { port, status: 200, text: withOneToken(list) }
        const sent = await countScripts(REDIS_URL, () => load(request, requests))
        process.stdout.write(`${name}, ${server}: ${sent / requests} round trips per request\n`)
      })
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
