import { Clock, Context, Effect, Exit, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { Users } from "../../business/users/Users.ts"
import { bearerOf } from "../../http/Bearer.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { Tokens } from "../../core/identity/Tokens.ts"
import type { Identity } from "../../domain/users/Identity.ts"
import {
  AuthenticationError,
  type RateLimitError,
  type ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { CurrentUser, type User } from "../../domain/users/User.ts"
import { Authentication } from "./Authentication.ts"
import { Limits } from "../../http/Limits.ts"
import { policyOf, RateLimit } from "../../http/Policies.ts"

type TokenFailure = AuthenticationError | RateLimitError | ServiceUnavailableError

/**
 * Returns, for an endpoint, the function that signs a caller in: verifies the token, counts the call, then resolves the
 * user, who must be active. The result is an `Exit` if nothing has to be waited for. Invalid tokens (not expired ones)
 * are counted by address: over the `auth` limit, the failure is a 429 instead of a 401.
 */
export const make = Effect.gen(function* () {
  const tokens = yield* Tokens
  const users = yield* Users
  const metrics = yield* Metrics
  const limits = yield* Limits

  return (options: Parameters<typeof policyOf>[1]) => {
    const name = policyOf(RateLimit, options)
    const countCall = name === null ? () => Exit.void : limits.byUser(name, options.endpoint.path)
    const countFailure = limits.byAddress("auth", options.endpoint.path)

    const verify = (
      token: string,
      request: RequestInfo,
      clock: Clock.Clock,
    ): Effect.Effect<Identity, TokenFailure> =>
      Effect.catchEager(tokens.verify(token, clock), (error): Effect.Effect<never, TokenFailure> =>
        error._tag === "AuthenticationError" && error.reason === "invalid_token"
          ? Effect.flatMapEager(countFailure(request), () => Exit.fail(error))
          : Exit.fail(error),
      )
    const resolve = (identity: Identity, request: RequestInfo, clock: Clock.Clock) =>
      Effect.flatMapEager(countCall(identity.sub, request), () => users.resolve(identity, clock))

    return (authorization: string | undefined, request: RequestInfo, clock: Clock.Clock) => {
      const token = bearerOf(authorization)
      if (token === undefined) {
        metrics.authFailure("missing_token")
        return Exit.fail(AuthenticationError.by.missing_token)
      }
      return Effect.flatMapEager(verify(token, request, clock), (identity) =>
        Effect.mapEager(resolve(identity, request, clock), (user) => {
          request.user_id = user.id
          return currentUserOf(user)
        }),
      )
    }
  }
})

export const layer = Layer.effect(
  Authentication,
  Effect.map(make, (signInFor) =>
    Authentication.of((handler, options) => {
      const signIn = signInFor(options)
      return Effect.withFiber((fiber) => {
        const { headers } = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        return Effect.flatMapEager(
          signIn(headers["authorization"], fiber.getRef(RequestInfo), fiber.getRef(Clock.Clock)),
          (user) => Effect.provideService(handler, CurrentUser, user),
        )
      })
    }),
  ),
)

const currentUserOf = ({
  email,
  id,
  role,
  subscription_plan: plan,
}: User): CurrentUser["Service"] => ({ id, email, role, plan, actor: null })
