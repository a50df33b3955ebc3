import { Context } from "effect"
import { type HttpApiEndpoint, type HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import { AuthorizationError } from "../domain/Errors.ts"
import type { CurrentUser, Role } from "../domain/users/User.ts"
import { enveloped } from "./Envelope.ts"

/**
 * Reads a policy of an endpoint from the annotations of its contract: on the endpoint, its group, or its audience
 * (`Audiences.ts`); the nearest wins. Without an annotation the strict default applies, so a forgotten policy closes an
 * endpoint. Middlewares enforce policies, and `DocumentedPolicies.ts` documents them.
 */
export const policyOf = <A>(
  policy: Context.Reference<A>,
  { endpoint, group }: { readonly endpoint: HttpApiEndpoint.Top; readonly group: HttpApiGroup.Top },
): A => Context.get(Context.merge(group.annotations, endpoint.annotations), policy)

/** The lowest role that may call the endpoint: `user` < `admin` < `superadmin`. The admin audience requires `admin`. */
export const RequiredRole = Context.Reference<Role>("plinth/http/Policies/RequiredRole", {
  defaultValue: () => "user",
})

/** The limit that counts the calls; settings hold its rate. Null means unlimited: probes, scrapes and webhooks. */
export const RateLimit = Context.Reference<LimitName | null>("plinth/http/Policies/RateLimit", {
  defaultValue: () => "default",
})

/** `default` counts per caller and route pattern, `ai` and `auth` per caller over all routes. */
export type LimitName = "default" | "ai" | "auth"

/** For `annotateMerge`: no rate limit. */
export const unlimited = Context.make(RateLimit, null)

/** If true, refuses users whose plan has no requests left; in the app audience only. */
export const CountsAgainstQuota = Context.Reference<boolean>(
  "plinth/http/Policies/CountsAgainstQuota",
  { defaultValue: () => true },
)

/** For `annotateMerge`: available to users without requests left, because they see or change their plan there. */
export const exemptFromQuota = Context.make(CountsAgainstQuota, false)

/**
 * How requests with the same `Idempotency-Key` get one effect and the same response. `transaction`: the response is
 * stored in the transaction of the effect. `claim`: the key is claimed before an external service is called.
 * `repeatable`: no key is read, because a repetition changes nothing. Every POST of signed-in users declares one of
 * them, otherwise the server does not start.
 */
export const Idempotent = Context.Reference<"transaction" | "claim" | "repeatable" | null>(
  "plinth/http/Policies/Idempotent",
  { defaultValue: () => null },
)

/** For `annotateMerge`, on every POST that creates or charges. */
export const idempotent = Context.make(Idempotent, "transaction")

/** For `annotateMerge`, on every POST that calls an external service. */
export const claimed = Context.make(Idempotent, "claim")

/** For `annotateMerge`, on a POST that neither creates nor charges. */
export const repeatable = Context.make(Idempotent, "repeatable")

/** If false, the router answers every request, because the handler needs the request itself (`hot/HotPath.ts`). */
export const OnHotPath = Context.Reference<boolean>("plinth/http/Policies/OnHotPath", {
  defaultValue: () => true,
})

/** For `annotateMerge`, on an endpoint whose handler reads `request`, or services that the router provides. */
export const offHotPath = Context.make(OnHotPath, false)

/** How an endpoint reads its body, and the maximum size of the body. */
interface BodyRule {
  /**
   * `json`: text that is safe to parse. `raw`: the bytes unchanged, for signatures. `stream`: the bytes as they arrive.
   * No kind limits the total time; a request ends after 30 s without a new byte.
   */
  readonly kind: "json" | "raw" | "stream"
  /** In bytes; null means BODY_LIMIT_BYTES. */
  readonly maxBytes: number | null
}

/** A larger body is refused before it is read. The media types are those of the endpoint's payload. */
export const BodyPolicy = Context.Reference<BodyRule>("plinth/http/Policies/BodyPolicy", {
  defaultValue: () => ({ kind: "json", maxBytes: null }),
})

/** An endpoint that will be removed, announced in `Deprecation`, `Sunset` and `Link` headers (RFC 9745, RFC 8594). */
export interface Deprecated {
  /** The time of deprecation, in Unix seconds. */
  readonly since: number
  /** The time of removal, as an HTTP date. */
  readonly sunset: string
  /** Path of the endpoint that replaces it. */
  readonly successor: string
}

export const Deprecation = Context.Reference<Deprecated | null>(
  "plinth/http/Policies/Deprecation",
  {
    defaultValue: () => null,
  },
)

export class Policies extends HttpApiMiddleware.Service<Policies, { requires: CurrentUser }>()(
  "plinth/http/Policies",
  { error: enveloped(AuthorizationError) },
) {}
