import { Effect, Exit, Layer, type Types } from "effect"
import { HttpServerResponse } from "effect/http"
import { AuthorizationError } from "../../domain/Errors.ts"
import { CurrentUser, rankOf } from "../../domain/users/User.ts"
import {
  Deprecation,
  type Deprecated,
  Policies,
  policyOf,
  RequiredRole,
} from "../../http/Policies.ts"

/** Wraps a handler as its annotations require; a handler without any is returned unchanged. */
export const layer = Layer.succeed(Policies, (handler, options) =>
  withRole(withDeprecation(handler, options), options),
)

type Handler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  AuthorizationError | Types.unhandled,
  CurrentUser
>

/** Returns a function that refuses the roles below the one that an endpoint requires. */
export const roleCheckFor = (options: Parameters<typeof policyOf>[1]) => {
  const required = rankOf(policyOf(RequiredRole, options))
  return ({ role }: CurrentUser["Service"]): Exit.Exit<void, AuthorizationError> =>
    rankOf(role) >= required
      ? Exit.void
      : Exit.fail(new AuthorizationError({ reason: "role_required" }))
}

const withRole = (handler: Handler, options: Parameters<typeof policyOf>[1]): Handler => {
  if (policyOf(RequiredRole, options) === "user") return handler
  const checkRole = roleCheckFor(options)
  return Effect.flatMap(CurrentUser, (user) => Effect.flatMapEager(checkRole(user), () => handler))
}

const withDeprecation = (handler: Handler, options: Parameters<typeof policyOf>[1]): Handler => {
  const deprecated = policyOf(Deprecation, options)
  return deprecated === null
    ? handler
    : Effect.map(handler, HttpServerResponse.setHeaders(deprecationHeaders(deprecated)))
}

const deprecationHeaders = ({ since, successor, sunset }: Deprecated) => ({
  deprecation: `@${since}`,
  sunset,
  link: `<${successor}>; rel="successor-version"`,
})
