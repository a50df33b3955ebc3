import { Effect } from "effect"
import type { Users } from "../business/users/Users.ts"
import { AuthorizationError } from "../domain/Errors.ts"
import type { UserId } from "../domain/users/User.ts"

/** Returns the user that a call acts for. Fails for deactivated users, as sign-in does. */
export const subscriberOf = Effect.fnUntraced(function* (users: Users["Service"], user: UserId) {
  const { id, is_active, subscription_plan } = yield* users.getCached(user)
  if (!is_active) return yield* new AuthorizationError({ reason: "deactivated" })
  return { id, plan: subscription_plan }
})
