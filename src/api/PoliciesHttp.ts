import { Effect, Layer, type Types } from "effect"
import { HttpServerResponse } from "effect/http"
import { AuthorizationError } from "../domain/Errors.ts"
import { CurrentUser, rankOf } from "../domain/User.ts"
import { Deprecation, type Deprecated, Policies, policyOf, RequiredRole } from "./Policies.ts"

/** Wraps the handler by what its annotations ask; one that asks nothing is left as it is. */
export const layer = Layer.succeed(Policies, (handler, of) =>
  withRole(withDeprecation(handler, of), of),
)

type Handler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  AuthorizationError | Types.unhandled,
  CurrentUser
>

const withRole = (handler: Handler, of: Parameters<typeof policyOf>[1]): Handler => {
  const required = policyOf(RequiredRole, of)
  if (required === "user") return handler
  return Effect.flatMap(CurrentUser, ({ role }): Handler =>
    rankOf(role) >= rankOf(required)
      ? handler
      : Effect.fail(new AuthorizationError({ reason: "role_required" })),
  )
}

const withDeprecation = (handler: Handler, of: Parameters<typeof policyOf>[1]): Handler => {
  const deprecated = policyOf(Deprecation, of)
  return deprecated === null
    ? handler
    : Effect.map(handler, HttpServerResponse.setHeaders(deprecationHeaders(deprecated)))
}

const deprecationHeaders = ({ since, successor, sunset }: Deprecated) => ({
  deprecation: `@${since}`,
  sunset,
  link: `<${successor}>; rel="successor-version"`,
})
