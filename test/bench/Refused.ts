// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import type { DatabaseKind } from "./Databases.ts"
import { ask, cycle } from "./Load.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { startPlinth } from "./Servers.ts"
import { forgedTokensOf } from "./Tokens.ts"
import { cpuPerRequest, requestsOf } from "./Windows.ts"
import { list, manyTokenTexts, withOneToken } from "./Works.ts"

/** Compares the refusal of forged tokens, below and over the limit, with a good list. */
export const measureRefused = async (database: DatabaseKind, rounds: number) => {
  const DATABASE_URL = await database.create("refused")
  const server = await startPlinth({ DATABASE_URL, RATE_LIMIT_AUTH: "1000000/second" })
  const limited = await startPlinth({ DATABASE_URL, RATE_LIMIT_AUTH: "1/day" })
  const forged = forgedTokensOf(list.user, requestsOf(rounds)).map(list.textOf)
  try {
    await ask({ port: limited.port, text: forged[0] ?? "" })
    const [good = [], many = [], unauthorized = [], overLimit = []] = await cpuPerRequest(
      [
        { server, status: 200, text: withOneToken(list) },
        { server, status: 200, text: cycle(manyTokenTexts(list, requestsOf(rounds))) },
        { server, status: 401, text: cycle(forged) },
        { server: limited, status: 429, text: cycle(forged) },
      ],
      rounds,
    )
    const name = `${database.name} forged token`
    reportRatio(`${name}, 401 / list, one token`, unauthorized, good)
    reportRatio(`${name}, 429 / list, one token`, overLimit, good)
    reportRatio(`${name}, 401 / list, many tokens`, unauthorized, many)
    reportRatio(`${name}, 429 / list, many tokens`, overLimit, many)
    reportCost(`${name}, 401`, unauthorized)
    reportCost(`${name}, 429`, overLimit)
  } finally {
    await Promise.all([server.stop(), limited.stop()])
  }
}
