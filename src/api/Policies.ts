import { Context } from "effect"
import { HttpApiMiddleware, OpenApi } from "effect/http-api"
import { AuthorizationError } from "../domain/Errors.ts"
import type { CurrentUser, Role } from "../domain/User.ts"
import { enveloped } from "./Envelope.ts"

/**
 * What an endpoint asks of its caller beyond being signed in, as annotations in its contract. One middleware reads
 * them all (`PoliciesHttp.ts`), so a policy is one line at the endpoint or its group.
 */

/** The least role that may call: `user` < `admin` < `superadmin`. */
export const RequiredRole = Context.Reference<Role>("plinth/api/Policies/RequiredRole", {
  defaultValue: () => "user",
})

/** Which limit counts its calls: each has a rate in the settings. Null: none, for probes, scrapes and webhooks. */
export const RateLimit = Context.Reference<LimitName | null>("plinth/api/Policies/RateLimit", {
  defaultValue: () => "default",
})

/** `default` counts per caller and route pattern, `ai` and `auth` per caller over all routes. */
export type LimitName = "default" | "ai" | "auth"

/** For `annotateEndpointsMerge`: no limit, and no word of one in the document. */
export const unlimited = Context.make(RateLimit, null).pipe(
  Context.add(OpenApi.Transform, ({ responses, ...operation }) => {
    const { 429: _, ...rest } = Object(responses) as Record<string, unknown>
    return { ...operation, responses: rest }
  }),
)

/** The endpoint goes away: told in `Deprecation`, `Sunset` and `Link` headers (RFC 9745, RFC 8594). */
export interface Deprecated {
  /** Since when, in Unix seconds. */
  readonly since: number
  /** An HTTP date. */
  readonly sunset: string
  /** Path of the endpoint that takes its place. */
  readonly successor: string
}

export const Deprecation = Context.Reference<Deprecated | null>("plinth/api/Policies/Deprecation", {
  defaultValue: () => null,
})

export class Policies extends HttpApiMiddleware.Service<Policies, { requires: CurrentUser }>()(
  "plinth/api/Policies",
  { error: enveloped(AuthorizationError) },
) {}
