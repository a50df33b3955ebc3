import { Context, Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { Users } from "../../business/users/Users.ts"
import { bearerOf } from "../../http/Bearer.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { Tokens } from "../../core/identity/Tokens.ts"
import type { Identity } from "../../domain/users/Identity.ts"
import { AuthenticationError } from "../../domain/Errors.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Authentication } from "./Authentication.ts"
import { Limits } from "../../http/Limits.ts"
import { policyOf, RateLimit } from "../../http/Policies.ts"

/**
 * Verifies the token, counts the call, then resolves the user, who must be active. Invalid tokens (not expired ones)
 * are counted by address: over the `auth` limit, the failure is a 429 instead of a 401.
 */
export const layer = Layer.effect(
  Authentication,
  Effect.gen(function* () {
    const tokens = yield* Tokens
    const users = yield* Users
    const metrics = yield* Metrics
    const limits = yield* Limits

    return Authentication.of((handler, options) => {
      const name = policyOf(RateLimit, options)
      const countCall =
        name === null ? () => Effect.void : limits.byUser(name, options.endpoint.path)
      const countFailure = limits.byAddress("auth", options.endpoint.path)

      const verify = (token: string, request: RequestInfo) =>
        Effect.catchTag(tokens.verify(token), "AuthenticationError", (error) =>
          error.reason === "invalid_token"
            ? Effect.andThen(countFailure(request), Effect.fail(error))
            : Effect.fail(error),
        )
      const resolve = (identity: Identity, request: RequestInfo) =>
        Effect.flatMapEager(countCall(identity.sub, request), () => users.resolve(identity))

      return Effect.withFiber((fiber) => {
        const { headers } = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const request = fiber.getRef(RequestInfo)
        const token = bearerOf(headers["authorization"])
        if (token === undefined) {
          metrics.authFailure("missing_token")
          return Effect.fail(new AuthenticationError({ reason: "missing_token" }))
        }
        return verify(token, request).pipe(
          Effect.flatMap((identity) => resolve(identity, request)),
          Effect.flatMap((user) => {
            request.user_id = user.id
            return Effect.provideService(handler, CurrentUser, {
              id: user.id,
              email: user.email,
              role: user.role,
              plan: user.subscription_plan,
              actor: null,
            })
          }),
        )
      })
    })
  }),
)
