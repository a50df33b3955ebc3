import { Context } from "effect"
import { type HttpApiEndpoint, type HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import { AuthorizationError } from "../domain/Errors.ts"
import type { CurrentUser, Role } from "../domain/User.ts"
import { enveloped } from "./Envelope.ts"

/**
 * Reads what an endpoint asks of its caller beyond being signed in, from annotations in its contract: at the endpoint, its
 * group, or its audience (`Audiences.ts`), the nearest wins. What nobody annotates has the strict default, so a policy
 * that is forgotten closes an endpoint. Middlewares keep them, and `DocumentedPolicies.ts` tells them.
 */
export const policyOf = <A>(
  policy: Context.Reference<A>,
  of: { readonly endpoint: HttpApiEndpoint.Top; readonly group: HttpApiGroup.Top },
): A => Context.get(Context.merge(of.group.annotations, of.endpoint.annotations), policy)

/** The least role that may call: `user` < `admin` < `superadmin`. `admin` throughout the admin audience. */
export const RequiredRole = Context.Reference<Role>("plinth/api/Policies/RequiredRole", {
  defaultValue: () => "user",
})

/** Which limit counts its calls: each has a rate in the settings. Null: none, for probes, scrapes and webhooks. */
export const RateLimit = Context.Reference<LimitName | null>("plinth/api/Policies/RateLimit", {
  defaultValue: () => "default",
})

/** `default` counts per caller and route pattern, `ai` and `auth` per caller over all routes. */
export type LimitName = "default" | "ai" | "auth"

/** For `annotateMerge`: no limit. */
export const unlimited = Context.make(RateLimit, null)

/** Whether a plan whose requests are spent closes the endpoint; in the app audience only. */
export const CountsAgainstQuota = Context.Reference<boolean>(
  "plinth/api/Policies/CountsAgainstQuota",
  { defaultValue: () => true },
)

/** For `annotateMerge`: stays open when the plan is spent, because its owner sees or changes the plan there. */
export const exemptFromQuota = Context.make(CountsAgainstQuota, false)

/**
 * How a repeated `Idempotency-Key` has one effect and the same answer: in one transaction with its effect, or, where
 * another's service is called, by a claim before it. `repeatable`: no key is read, because a repetition changes
 * nothing more. Every POST of a signed-in user names one of them, else the server does not start.
 */
export const Idempotent = Context.Reference<"transaction" | "claim" | "repeatable" | null>(
  "plinth/api/Policies/Idempotent",
  { defaultValue: () => null },
)

/** For `annotateMerge`, on every POST that creates or charges. */
export const idempotent = Context.make(Idempotent, "transaction")

/** The same, on those that call another's service. */
export const claimed = Context.make(Idempotent, "claim")

/** For `annotateMerge`, on a POST that neither creates nor charges. */
export const repeatable = Context.make(Idempotent, "repeatable")

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
