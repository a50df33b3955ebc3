import { Effect } from "effect"
import type { Users } from "../business/Users.ts"
import { AuthorizationError } from "../domain/Errors.ts"
import type { UserId } from "../domain/User.ts"

/** The user that something is done for, as sign-in would let him in. */
export const subscriberOf = Effect.fnUntraced(function* (users: Users["Service"], user: UserId) {
  const { id, is_active, subscription_plan } = yield* users.getCached(user)
  if (!is_active) return yield* new AuthorizationError({ reason: "deactivated" })
  return { id, plan: subscription_plan }
})
