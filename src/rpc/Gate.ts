import { Effect, Exit } from "effect"
import type { Headers } from "effect/http"
import { bearerOf, isOneOf } from "../core/Bearer.ts"
import { Metrics } from "../core/Metrics.ts"
import { networkOf } from "../core/Network.ts"
import { RateLimiter } from "../core/RateLimiter.ts"
import { Settings } from "../core/Settings.ts"
import { AuthenticationError, BadRequestError, RateLimitError } from "../domain/Errors.ts"
import type { RequestInfo } from "../domain/RequestInfo.ts"
import { callerHeader, maxTimeoutMs, timeoutHeader } from "./Call.ts"

type Refusal = AuthenticationError | BadRequestError | RateLimitError

/**
 * Admits callers with an RPC_TOKEN and records the name that they give. Wrong tokens are counted by address, as in
 * REST: over the `auth` limit, the failure is a 429 instead of a 401.
 */
export const make = Effect.fnUntraced(function* (path: string) {
  const { RATE_LIMIT_AUTH, rpcTokens } = yield* Settings
  const limiter = yield* RateLimiter
  const metrics = yield* Metrics
  const isToken = isOneOf(rpcTokens)

  const refuse = Effect.fnUntraced(function* (token: string | undefined, address: string) {
    const reason = token === undefined ? "missing_token" : "invalid_token"
    metrics.authFailure(reason)
    if (token !== undefined) {
      const decision = yield* limiter.take(`auth::ip:${networkOf(address)}`, RATE_LIMIT_AUTH)
      if (!decision.isAllowed) {
        metrics.rateLimitHit(path, "ip")
        const retry_after = Math.ceil(decision.reset_after / 1000)
        return yield* new RateLimitError({ retry_after })
      }
    }
    return yield* new AuthenticationError({ reason })
  })

  return (headers: Headers.Headers, request: RequestInfo): Effect.Effect<void, Refusal> => {
    const token = bearerOf(headers["authorization"])
    if (!isToken(token)) return refuse(token, request.ip_address ?? "unknown")
    const { [callerHeader]: caller = "unknown", [timeoutHeader]: timeout = "1" } = headers
    if (!/^[a-z0-9-]{1,64}$/.test(caller)) {
      return badRequest(`${callerHeader} must be 1 to 64 lowercase letters, digits or hyphens`)
    }
    if (!/^[1-9]\d{0,8}$/.test(timeout) || Number(timeout) > maxTimeoutMs) {
      return badRequest(`${timeoutHeader} must be an integer from 1 to ${maxTimeoutMs}`)
    }
    request.caller = caller
    return Exit.void
  }
})

const badRequest = (reason: string) => Exit.fail(new BadRequestError({ reason }))
