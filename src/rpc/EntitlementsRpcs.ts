import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import { NotFoundError, ServiceUnavailableError } from "../domain/Errors.ts"
import { Limited } from "../domain/Plan.ts"
import { UsageCurrentPeriod } from "../domain/UsageReport.ts"
import { SubscriptionPlan, SubscriptionStatus, UserId } from "../domain/User.ts"
import { method, userId } from "./Method.ts"

const missing = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const

/** What the methods take. */
export const input = {
  get: Schema.Struct({ user_id: userId }),
  check: Schema.Struct({
    user_id: userId,
    what: Limited,
    amount: Schema.Int.check(
      Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    ).pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  }),
}

/** A plan, and what is left of it. A limit of null is none. */
const Entitlement = Schema.Struct({
  user_id: UserId,
  is_active: Schema.Boolean,
  plan: SubscriptionPlan,
  status: SubscriptionStatus,
  limits: UsageCurrentPeriod.fields.limits,
})

const EntitlementCheck = Schema.Struct({
  /** The user is active, and his plan has room for the amount. */
  is_allowed: Schema.Boolean,
  limit: Schema.NullOr(Schema.Int),
  remaining: Schema.NullOr(Schema.Int),
})

/** What a user's plan gives. */
export class EntitlementsRpcs extends RpcGroup.make(
  method("entitlements.get", { input: input.get, success: Entitlement, error: missing }),
  /** Looks, and takes nothing. */
  method("entitlements.check", { input: input.check, success: EntitlementCheck, error: missing }),
) {}
