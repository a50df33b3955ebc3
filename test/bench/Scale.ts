// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { Effect, Layer } from "effect"
import { Redis } from "ioredis"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"
import { load, type Request } from "./Load.ts"
import type { Server } from "./Processes.ts"
import { inTurn } from "./Rounds.ts"

type Start = (env: Readonly<Record<string, string>>) => Promise<Server>

const rounds = 5
const requests = 6000

/**
 * Measures the cost of Redis per request and the gain of a second process: requests per second, CPU
 * of the servers per request, and round trips to Redis per request.
 */
export const measureScale = (start: Start, request: Omit<Request, "port">) =>
  Effect.gen(function* () {
    const { url } = yield* RedisServer
    const measure = (name: string, count: number, env: Readonly<Record<string, string>>) =>
      Effect.promise(() => measured(name, count, () => start(env), url, request))
    yield* measure("one process, no Redis", 1, {})
    yield* measure("one process, Redis", 1, { REDIS_URL: url })
    yield* measure("two processes, Redis", 2, { REDIS_URL: url })
  }).pipe(Effect.provide(RedisServer.layer.pipe(Layer.fresh)), Effect.scoped, Effect.runPromise)

const measured = async (
  name: string,
  count: number,
  start: () => Promise<Server>,
  redisUrl: string,
  request: Omit<Request, "port">,
) => {
  const servers = await Promise.all(Array.from({ length: count }, start))
  const redis = new Redis(redisUrl)
  const each = requests / count
  const run = () =>
    Promise.all(servers.map(({ port }) => load({ ...request, port }, each, 64 / count)))
  try {
    await run()
    const cpuBefore = total(servers)
    const before = await scripts(redis)
    const rates = await inTurn(Array.from({ length: rounds }), async () => {
      const begun = performance.now()
      await run()
      return requests / ((performance.now() - begun) / 1000)
    })
    const sent = (await scripts(redis)) - before
    const cpu = ((total(servers) - cpuBefore) / (requests * rounds)) * 1e6
    const rate = rates.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0
    process.stdout.write(
      `${name.padEnd(34)} ${rate.toFixed(0).padStart(8)} /s  ${cpu.toFixed(0)} µs of servers, ${(sent / (requests * rounds)).toFixed(3)} round trips to Redis per request\n`,
    )
  } finally {
    redis.disconnect()
    await Promise.all(servers.map((server) => server.stop()))
  }
}

const total = (servers: ReadonlyArray<Server>) =>
  servers.reduce((sum, server) => sum + server.cpu(), 0)

/** Counts scripts that were sent; commands inside a script are no round trips. */
const scripts = async (redis: Redis) =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0)
