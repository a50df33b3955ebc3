import { Effect, Result } from "effect"
import type { Settings } from "../../../core/settings/Settings.ts"
import { Redis } from "../../../core/shared/Redis.ts"
import { ok, warning } from "../Finding.ts"
import { probeLayer } from "./Probe.ts"

type Values = Settings["Service"]

/** Only warns: a server starts without Redis. */
export const examine = Effect.fnUntraced(function* (settings: Values) {
  if (settings.REDIS_URL === null) {
    const finding = ok("Redis", "none: in memory", "REDIS_URL is not set")
    return settings.ENVIRONMENT === "local"
      ? finding
      : warning(finding, "rate limits and caches are per process: set REDIS_URL to share them")
  }
  const finding = ok("Redis", "Redis", "REDIS_URL")
  const probe = Effect.flatMap(Redis, (connection) => connection?.ping ?? Effect.void)
  const pingResult = yield* Effect.result(Effect.provide(probe, probeLayer(settings, Redis.layer)))
  return Result.isSuccess(pingResult)
    ? finding
    : warning(finding, "Redis is unreachable: a server starts, but degraded")
})
