// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { sameAnswers } from "./Answers.ts"
import type { DatabaseKind } from "./Databases.ts"
import { cycle } from "./Load.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { inTurn } from "./Rounds.ts"
import { startFastify, startPlinth, tokenMemory } from "./Servers.ts"
import { cpuPerRequest, requestsOf } from "./Windows.ts"
import { manyTokenTexts, type Work, withOneToken } from "./Works.ts"

/** Tells readers of the figures what the baseline does. */
const given = `Ratio: CPU of Fastify's main thread per request / Plinth's. What Fastify was given:
- nobody remembers: each request carries another token, so that both verify each of them.
- Plinth remembers: one token; Fastify verifies it at each request.
- both remember: one token; Fastify has a memory of 10,000 verified tokens as well.
Always: an HMAC key made once, users read again after 2 s, prepared statements, compiled JSON schemas.
`

export const explain = () => process.stdout.write(given)

/** Compares Plinth with Fastify by each work: with and without remembered tokens. */
export const compare = async (
  database: DatabaseKind,
  works: ReadonlyArray<Work>,
  rounds: number,
) => {
  const DATABASE_URL = await database.create("compared")
  // Each server has its own database: otherwise, each would read what the others have written.
  const copies = [
    await database.copy("compared", "compared_fastify"),
    await database.copy("compared", "compared_memory"),
  ] as const
  const servers = await Promise.all([
    startPlinth({ DATABASE_URL }),
    startFastify({ DATABASE_URL: copies[0] }),
    startFastify({ DATABASE_URL: copies[1], ...tokenMemory }),
  ])
  const [plinth, fastify, withMemory] = servers
  try {
    await inTurn(works, async (work) => {
      await sameAnswers(servers, work)
      const { status } = work
      const many = manyTokenTexts(work, requestsOf(rounds))
      const [oursMany = [], theirsMany = [], ours = [], theirs = [], theirsKnown = []] =
        await cpuPerRequest(
          [
            { server: plinth, status, text: cycle(many) },
            { server: fastify, status, text: cycle(many) },
            { server: plinth, status, text: withOneToken(work) },
            { server: fastify, status, text: withOneToken(work) },
            { server: withMemory, status, text: withOneToken(work) },
          ],
          rounds,
        )
      const name = `${database.name} ${work.name}`
      reportRatio(`${name} ratio, nobody remembers`, theirsMany, oursMany)
      reportRatio(`${name} ratio, Plinth remembers`, theirs, ours)
      reportRatio(`${name} ratio, both remember`, theirsKnown, ours)
      reportCost(`${name} Plinth, many tokens`, oursMany)
      reportCost(`${name} Plinth, one token`, ours)
      reportCost(`${name} Fastify, many tokens`, theirsMany)
      reportCost(`${name} Fastify, one token`, theirs)
      reportCost(`${name} Fastify with a memory, one token`, theirsKnown)
    })
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
