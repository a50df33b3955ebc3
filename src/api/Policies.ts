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

/**
 * How a repeated `Idempotency-Key` has one effect and the same answer: in one transaction with its effect, or, where
 * another's service is called, by a claim before it. Null: not at all.
 */
export const Idempotent = Context.Reference<"transaction" | "claim" | null>(
  "plinth/api/Policies/Idempotent",
  { defaultValue: () => null },
)

const idempotentBy = (way: "transaction" | "claim") =>
  Context.make(Idempotent, way).pipe(
    Context.add(OpenApi.Transform, (operation) => ({
      ...operation,
      parameters: [...Array.from(Object(operation["parameters"])), idempotencyKey],
    })),
  )

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "Any text of your own. The same request with the same key, within 24 hours, has one effect and gets the same answer, with `Idempotency-Replayed: true`. While the first still runs: 409. With another request: 422.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
  example: "0b9ad6a1-4c0f-4f5e-8d6e-3e1f6a5c2b7d",
}

/** For `annotateMerge`, on every POST that creates or charges. */
export const idempotent = idempotentBy("transaction")

/** The same, on those that call another's service. */
export const claimed = idempotentBy("claim")

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
