import { Effect, Layer, type Types } from "effect"
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

const withRole = (handler: Handler, options: Parameters<typeof policyOf>[1]): Handler => {
  const required = policyOf(RequiredRole, options)
  if (required === "user") return handler
  return Effect.flatMap(CurrentUser, ({ role }): Handler =>
    rankOf(role) >= rankOf(required)
      ? handler
      : Effect.fail(new AuthorizationError({ reason: "role_required" })),
  )
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
