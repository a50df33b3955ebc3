import { Context, Effect, Layer, type Types } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpApiEndpoint } from "effect/http-api"
import { AuthorizationError } from "../domain/Errors.ts"
import { CurrentUser, type Role } from "../domain/User.ts"
import { Deprecation, type Deprecated, Policies, RequiredRole } from "./Policies.ts"

/** Wraps the handler by what its annotations ask; one that asks nothing is left as it is. */
export const layer = Layer.succeed(Policies, (handler, { endpoint }) =>
  withRole(withDeprecation(handler, endpoint), endpoint),
)

type Handler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  AuthorizationError | Types.unhandled,
  CurrentUser
>

const rank: Readonly<Record<Role, number>> = { user: 0, admin: 1, superadmin: 2 }

const withRole = (handler: Handler, endpoint: HttpApiEndpoint.Top): Handler => {
  const required = Context.get(endpoint.annotations, RequiredRole)
  if (required === "user") return handler
  return Effect.flatMap(CurrentUser, ({ role }): Handler =>
    rank[role] >= rank[required]
      ? handler
      : Effect.fail(new AuthorizationError({ reason: "role_required" })),
  )
}

const withDeprecation = (handler: Handler, endpoint: HttpApiEndpoint.Top): Handler => {
  const deprecated = Context.get(endpoint.annotations, Deprecation)
  return deprecated === null
    ? handler
    : Effect.map(handler, HttpServerResponse.setHeaders(deprecationHeaders(deprecated)))
}

const deprecationHeaders = ({ since, successor, sunset }: Deprecated) => ({
  deprecation: `@${since}`,
  sunset,
  link: `<${successor}>; rel="successor-version"`,
})
