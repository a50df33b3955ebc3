// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { once } from "node:events"
import { createServer } from "node:http"
import { sameAnswers } from "./Answers.ts"
import type { DatabaseKind } from "./Databases.ts"
import { reportCost, reportRatio } from "./Report.ts"
import { startFastify, startPlinth } from "./Servers.ts"
import { cpuPerRequest } from "./Windows.ts"
import { list, withOneToken } from "./Works.ts"

/** Compares the list with one request in ten traced: with the same Plinth without, and with Fastify. */
export const measureTracing = async (database: DatabaseKind, rounds: number) => {
  const collector = await startCollector()
  const DATABASE_URL = await database.create("tracing")
  const copy = await database.copy("tracing", "tracing_fastify")
  const tracing = {
    OTEL_ENABLED: "true",
    OTEL_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_TRACES_SAMPLER_ARG: "0.1",
  }
  const servers = await Promise.all([
    startPlinth({ DATABASE_URL, ...tracing }),
    startPlinth({ DATABASE_URL }),
    startFastify({ DATABASE_URL: copy }),
  ])
  try {
    await sameAnswers(servers, list)
    const [ours = [], plain = [], theirs = []] = await cpuPerRequest(
      servers.map((server) => ({ server, status: 200, text: withOneToken(list) })),
      rounds,
    )
    const name = `${database.name} list, 0.1 traced`
    reportRatio(`${name} / without tracing`, ours, plain)
    reportRatio(`${name}, ratio to Fastify without`, theirs, ours)
    reportCost(`${name}, Plinth`, ours)
    reportCost(`${name}, Plinth without tracing`, plain)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
    collector.stop()
  }
  if (collector.batches() === 0) throw new Error("no spans were exported")
}

/** Starts a collector that accepts everything and keeps nothing. */
const startCollector = async () => {
  let batches = 0
  const server = createServer((request, response) => {
    batches += 1
    request.resume()
    request.on("end", () => response.setHeader("content-type", "application/json").end("{}"))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    batches: () => batches,
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
