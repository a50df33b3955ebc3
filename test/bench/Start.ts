// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { execFileSync } from "node:child_process"
import type { DatabaseKind } from "./Databases.ts"
import { measureLargeBody } from "./LargeBody.ts"
import { report } from "./Report.ts"
import { alternating } from "./Rounds.ts"
import { startPlinth } from "./Servers.ts"

/** Measures the start of the built server, its memory then, and its memory at a body of 100 MB. */
export const measureStart = async (database: DatabaseKind) => {
  const DATABASE_URL = await database.create("start")
  // The first start is discarded: it fills the compile cache.
  const [starts = []] = await alternating([DATABASE_URL], 10, async (url) => {
    const server = await startPlinth({ DATABASE_URL: url })
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
  await measureLargeBody(() => startPlinth({ DATABASE_URL }))
}

/** Node's own share of a start on this machine. */
const nodeAlone = () =>
  Array.from({ length: 10 }, () => {
    const begun = performance.now()
    execFileSync(process.execPath, ["--eval", "0"])
    return performance.now() - begun
  })
