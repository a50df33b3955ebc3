import { Context } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
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
