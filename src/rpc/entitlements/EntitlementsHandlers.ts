import { Effect } from "effect"
import { UsageReports } from "../../business/usage/UsageReports.ts"
import { Users } from "../../business/users/Users.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./EntitlementsRpcs.ts"

export const make = Effect.gen(function* () {
  const reports = yield* UsageReports
  const users = yield* Users

  const get = Effect.fnUntraced(function* ({ user_id }: typeof input.get.Type) {
    const user = yield* users.getCached(user_id)
    const { limits } = yield* reports.currentPeriod({
      id: user.id,
      plan: user.subscription_plan,
    })
    return {
      user_id: user.id,
      is_active: user.is_active,
      plan: user.subscription_plan,
      status: user.subscription_status,
      limits,
    }
  })

  return {
    "entitlements.get": decoded(input.get, get),
    "entitlements.check": decoded(input.check, ({ amount, user_id, what }) =>
      Effect.map(get({ user_id }), ({ is_active, limits }) => {
        const { limit, remaining } = limits[what]
        const is_allowed = is_active && (remaining === null || amount <= remaining)
        return { is_allowed, limit, remaining }
      }),
    ),
  }
})
