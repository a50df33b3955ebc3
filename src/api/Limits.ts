import { Context, Effect, Exit, type Fiber, Layer } from "effect"
import { Metrics } from "../core/Metrics.ts"
import { RateLimiter } from "../core/RateLimiter.ts"
import { Settings } from "../core/Settings.ts"
import { RateLimitError } from "../domain/Errors.ts"
import type { Rate } from "../domain/Rate.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import type { UserId } from "../domain/User.ts"
import { endpointLabel, Exchange } from "./Exchange.ts"
import type { LimitName } from "./Policies.ts"

type Take = Effect.Effect<void, RateLimitError>

/** The limits of the settings, as effects that count one call of the request they run in. */
export class Limits extends Context.Service<
  Limits,
  {
    readonly byUser: (name: LimitName, path: string) => (user: UserId) => Take
    /** Per address that the outermost of our proxies saw. */
    readonly byAddress: (name: LimitName, path: string) => Take
  }
>()("plinth/api/Limits") {
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

      const counter = (name: LimitName, client: "user" | "ip", path: string) => {
        const rate = rates[name]
        const endpoint = endpointLabel(path)
        // What the caller may choose stands last.
        const prefix = `${name}:${name === "default" ? endpoint : ""}:${client}:`
        return (who: string | null, exchange: Exchange): Take =>
          Effect.flatMapEager(limiter.take(`${prefix}${who}`, rate), (verdict) => {
            exchange.limit = { name, rate, verdict }
            if (verdict.isAllowed) return Exit.void
            metrics.rateLimitHit(endpoint, client)
            const retry_after = Math.ceil(verdict.reset_after / 1000)
            return Exit.fail(new RateLimitError({ retry_after }))
          })
      }

      return Limits.of({
        byUser: (name, path) => {
          const count = counter(name, "user", path)
          return (user) => Effect.withFiber((fiber) => count(user, exchangeOf(fiber)))
        },
        byAddress: (name, path) => {
          const count = counter(name, "ip", path)
          return Effect.withFiber((fiber) => {
            const exchange = exchangeOf(fiber)
            return count(exchange.ip_address, exchange)
          })
        },
      })
    }),
  )
}

/** Every request has one: it is made at the edge. */
const exchangeOf = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const exchange = fiber.getRef(RequestInfo)
  if (exchange instanceof Exchange) return exchange
  throw new Error("A limit outside of a request")
}
