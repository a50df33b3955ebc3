import { Context, Effect, Exit, Layer } from "effect"
import { BoundedMap } from "../core/BoundedMap.ts"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { networkOf } from "./Network.ts"
import { RateLimiter } from "../core/shared/RateLimiter.ts"
import { Settings } from "../core/settings/Settings.ts"
import { RateLimitError } from "../domain/Errors.ts"
import type { Rate } from "../domain/Rate.ts"
import type { RequestInfo } from "../domain/RequestInfo.ts"
import type { UserId } from "../domain/users/User.ts"
import { endpointLabel, Exchange } from "./Exchange.ts"
import type { LimitName } from "./Policies.ts"

type CountCall = Effect.Effect<void, RateLimitError>

/** The configured rate limits, as effects that count one call and fail over the limit. */
export class Limits extends Context.Service<
  Limits,
  {
    readonly byUser: (
      name: LimitName,
      path: string,
    ) => (user: UserId, request: RequestInfo) => CountCall
    /** Counts per network of the client address. */
    readonly byAddress: (name: LimitName, path: string) => (request: RequestInfo) => CountCall
  }
>()("plinth/http/Limits") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const limiter = yield* RateLimiter
      const metrics = yield* Metrics
      const { RATE_LIMIT_AI, RATE_LIMIT_AUTH, RATE_LIMIT_DEFAULT } = yield* Settings
      const rates: Readonly<Record<LimitName, Rate>> = {
        default: RATE_LIMIT_DEFAULT,
        ai: RATE_LIMIT_AI,
        auth: RATE_LIMIT_AUTH,
      }

      const makeCounter = (name: LimitName, client: "user" | "ip", path: string) => {
        const rate = rates[name]
        const endpoint = endpointLabel(path)
        // The part that callers can choose comes last, so that no client can form another limit's key.
        const prefix = `${name}:${name === "default" ? endpoint : ""}:${client}:`
        return (clientId: string, request: RequestInfo): CountCall =>
          Effect.flatMapEager(limiter.take(`${prefix}${clientId}`, rate), (decision) => {
            if (request instanceof Exchange) request.limit = { name, rate, decision }
            if (decision.isAllowed) return Exit.void
            metrics.rateLimitHit(endpoint, client)
            return Exit.fail(errorOf(Math.ceil(decision.reset_after / 1000)))
          })
      }

      return Limits.of({
        byUser: (name, path) => makeCounter(name, "user", path),
        byAddress: (name, path) => {
          const count = makeCounter(name, "ip", path)
          return (request) => count(networkOf(request.ip_address ?? "unknown"), request)
        },
      })
    }),
  )
}

/** Errors by their `retry_after`, because recording the stack of an error costs more than refusing a call. */
const errors = new BoundedMap<number, RateLimitError>(1000)

const errorOf = (retry_after: number) => {
  const known = errors.get(retry_after)
  if (known !== undefined) return known
  const error = new RateLimitError({ retry_after })
  errors.set(retry_after, error)
  return error
}
