// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { Effect, Layer } from "effect"
import { Redis } from "ioredis"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"

/** Runs with the URL of a new Redis server. */
export const withRedis = (run: (url: string) => Promise<void>) =>
  Effect.gen(function* () {
    const { url } = yield* RedisServer
    yield* Effect.promise(() => run(url))
  }).pipe(Effect.provide(RedisServer.layer.pipe(Layer.fresh)), Effect.scoped, Effect.runPromise)

/** Counts the scripts that are sent meanwhile; commands inside a script are no round trips. */
export const countScripts = async (url: string, run: () => Promise<void>) => {
  const redis = new Redis(url)
  try {
    const before = await scripts(redis)
    await run()
    return (await scripts(redis)) - before
  } finally {
    redis.disconnect()
  }
}

const scripts = async (redis: Redis) =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0)
