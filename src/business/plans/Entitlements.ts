import { Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Limited } from "../../domain/Plan.ts"
import type { CurrentUser, SubscriptionPlan, UserId } from "../../domain/users/User.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"

export type Subscriber = Pick<CurrentUser["Service"], "id" | "plan">

/** Enforces the limits of plans. */
export class Entitlements extends Context.Service<
  Entitlements,
  {
    /** Returns the plan's limit; null means unlimited. */
    readonly limitOf: (plan: SubscriptionPlan, key: Limited) => number | null
    /**
     * Runs `add` if the plan allows one more; `used` counts the existing ones. Near the limit, a lock serialises the
     * additions of a user, so that the limit is never exceeded.
     */
    readonly addWithinLimit: <A>(
      subscriber: Subscriber,
      key: Limited,
      used: Effect.Effect<number, ServiceUnavailableError>,
      add: Effect.Effect<A, ServiceUnavailableError>,
    ) => Effect.Effect<A, QuotaExceededError | ServiceUnavailableError>
  }
>()("plinth/business/plans/Entitlements") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { PLAN_LIMITS } = yield* Settings
      const repo = yield* EntitlementsRepo
      const { transaction } = yield* Database

      const limitOf = (plan: SubscriptionPlan, key: Limited) => PLAN_LIMITS[plan][key] ?? null

      const addWithinLimit: Entitlements["Service"]["addWithinLimit"] = (
        { id, plan },
        key,
        used,
        add,
      ) => {
        const limit = limitOf(plan, key)
        return limit === null
          ? add
          : Effect.flatMap(used, (count) =>
              count < limit - limitMargin ? add : transaction(addLocked(id, key, limit, used, add)),
            )
      }

      const addLocked = Effect.fnUntraced(function* <A>(
        id: UserId,
        key: Limited,
        limit: number,
        used: Effect.Effect<number, ServiceUnavailableError>,
        add: Effect.Effect<A, ServiceUnavailableError>,
      ) {
        yield* repo.lock(id, key)
        const count = yield* used
        if (count < limit) return yield* add
        return yield* new QuotaExceededError({ metric: key, limit, used: count })
      })

      return Entitlements.of({ limitOf, addWithinLimit })
    }),
  )
}

/** An upper bound of what one user can add at the same moment, because of the rate limit. */
const limitMargin = 100
