import { Context, Effect, Layer } from "effect"
import { HttpServerRequest } from "effect/http"
import { Users } from "../business/Users.ts"
import { Metrics } from "../core/Metrics.ts"
import { Tokens } from "../core/Tokens.ts"
import { AuthenticationError } from "../domain/Errors.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { CurrentUser } from "../domain/User.ts"
import { Authentication } from "./Authentication.ts"

/** Verify the token, then resolve its user, who must be active. */
export const layer = Layer.effect(
  Authentication,
  Effect.gen(function* () {
    const tokens = yield* Tokens
    const users = yield* Users
    const metrics = yield* Metrics

    return Authentication.of((handler) =>
      Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const token = bearerOf(request.headers["authorization"])
        if (token === undefined) {
          metrics.authFailure("missing_token")
          return Effect.fail(new AuthenticationError({ reason: "missing_token" }))
        }
        return Effect.flatMapEager(
          Effect.flatMapEager(tokens.verify(token), users.resolve),
          (user) => {
            fiber.getRef(RequestInfo).user_id = user.id
            return Effect.provideService(handler, CurrentUser, {
              id: user.id,
              email: user.email,
              role: user.role,
              plan: user.subscription_plan,
              actor: null,
            })
          },
        )
      }),
    )
  }),
)

/** RFC 9110 §11.1: the scheme is case-insensitive, credentials follow one or more spaces. */
export const bearerOf = (authorization: string | undefined) =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]
