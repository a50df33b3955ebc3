import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import * as Bounds from "../../domain/Bounds.ts"
import { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { Limited } from "../../domain/Plan.ts"
import { UsageCurrentPeriod } from "../../domain/usage/UsageReport.ts"
import { SubscriptionPlan, SubscriptionStatus, UserId } from "../../domain/users/User.ts"
import { method, userId } from "../Method.ts"

const readErrors = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const

/** The inputs of the methods. */
export const input = {
  get: Schema.Struct({ user_id: userId }),
  check: Schema.Struct({
    user_id: userId,
    what: Limited,
    amount: Bounds.integer(Bounds.entitledAmount),
  }),
}

/** A user's plan and its remaining limits. A null limit means unlimited. */
const Entitlement = Schema.Struct({
  user_id: UserId,
  is_active: Schema.Boolean,
  plan: SubscriptionPlan,
  status: SubscriptionStatus,
  limits: UsageCurrentPeriod.fields.limits,
})

const EntitlementCheck = Schema.Struct({
  /** The user is active, and the plan allows the amount. */
  is_allowed: Schema.Boolean,
  limit: Schema.NullOr(Schema.Int),
  remaining: Schema.NullOr(Schema.Int),
})

/** The entitlements of a user's plan. */
export class EntitlementsRpcs extends RpcGroup.make(
  method("entitlements.get", { input: input.get, success: Entitlement, error: readErrors }),
  /** Checks whether the plan allows `amount` more, without reserving it. */
  method("entitlements.check", {
    input: input.check,
    success: EntitlementCheck,
    error: readErrors,
  }),
) {}
