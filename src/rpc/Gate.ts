import { Effect, Exit } from "effect"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { Settings } from "../core/settings/Settings.ts"
import { AuthenticationError, BadRequestError, type RateLimitError } from "../domain/Errors.ts"
import type { RequestInfo } from "../domain/RequestInfo.ts"
import { bearerOf, isOneOf } from "../http/Bearer.ts"
import { Limits } from "../http/Limits.ts"
import { type CallHeaders, callerHeader, maxTimeoutMs, timeoutHeader } from "./Call.ts"

type Refusal = AuthenticationError | BadRequestError | RateLimitError

/**
 * Admits callers with an RPC_TOKEN and records the name that they give. Wrong tokens are counted by address, as in
 * REST: over the `auth` limit, the failure is a 429 instead of a 401.
 */
export const make = Effect.fnUntraced(function* (path: string) {
  const { rpcTokens } = yield* Settings
  const limits = yield* Limits
  const metrics = yield* Metrics
  const isToken = isOneOf(rpcTokens)
  const countFailure = limits.byAddress("auth", path)

  const refuse = (token: string | undefined, request: RequestInfo) => {
    const reason = token === undefined ? "missing_token" : "invalid_token"
    metrics.authFailure(reason)
    const refused = Exit.fail(AuthenticationError.by[reason])
    return token === undefined ? refused : Effect.flatMapEager(countFailure(request), () => refused)
  }

  return (headers: CallHeaders, request: RequestInfo): Effect.Effect<void, Refusal> => {
    const token = bearerOf(headers["authorization"])
    if (!isToken(token)) return refuse(token, request)
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
