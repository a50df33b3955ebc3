// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { sameAnswers } from "./Answers.ts"
import type { DatabaseKind } from "./Databases.ts"
import { cycle, load } from "./Load.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { inTurn } from "./Rounds.ts"
import { projectOf, type Rows, userOf } from "./Seed.ts"
import { startFastify, startPlinth, tokenMemory } from "./Servers.ts"
import { tokenOf } from "./Tokens.ts"
import { cpuPerRequest } from "./Windows.ts"
import { list } from "./Works.ts"

const count = 10_000

const ids = Array.from(
  { length: count },
  (_, n) => `018f0000-0000-7000-8001-${String(n).padStart(12, "0")}`,
)

const rows: Rows = {
  users: ids.map(userOf),
  projects: ids.flatMap((id, n) =>
    [2 * n, 2 * n + 1].map((at) =>
      projectOf(`018f0000-0000-7000-8002-${String(at).padStart(12, "0")}`, id, at % 20),
    ),
  ),
}

/**
 * Compares the list of 10,000 users with two projects each, who send their requests in turn. Every
 * user has been away for longer than the 2 s for which both servers know a user.
 */
export const measureManyUsers = async (database: DatabaseKind, rounds: number) => {
  const DATABASE_URL = await database.create("many_users", rows)
  const copy = await database.copy("many_users", "many_users_fastify")
  const servers = await Promise.all([
    startPlinth({ DATABASE_URL }),
    startFastify({ DATABASE_URL: copy }),
    startFastify({ DATABASE_URL: copy, ...tokenMemory }),
  ])
  const texts = ids.map((id, n) => list.textOf(tokenOf(id), n))
  try {
    await sameAnswers(servers, { ...list, user: ids[0] ?? "" })
    const contestants = servers.map((server) => ({ server, status: 200, text: cycle(texts) }))
    await inTurn(contestants, ({ server, ...request }) =>
      load({ ...request, port: server.port }, count),
    )
    const [ours = [], theirs = [], theirsKnown = []] = await cpuPerRequest(contestants, rounds)
    const name = `${database.name} list, 10,000 users`
    reportRatio(`${name}, ratio, Plinth remembers`, theirs, ours)
    reportRatio(`${name}, ratio, both remember`, theirsKnown, ours)
    reportCost(`${name}, Plinth`, ours)
    reportCost(`${name}, Fastify`, theirs)
    reportCost(`${name}, Fastify with a memory`, theirsKnown)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
