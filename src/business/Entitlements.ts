import { Context, Effect, Layer } from "effect"
import { Database } from "../core/Database.ts"
import { Settings } from "../core/Settings.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../domain/Errors.ts"
import type { Limited } from "../domain/Plan.ts"
import type { CurrentUser, SubscriptionPlan, UserId } from "../domain/User.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"

export type Subscriber = Pick<CurrentUser["Service"], "id" | "plan">

/** What a plan gives. */
export class Entitlements extends Context.Service<
  Entitlements,
  {
    /** Null: as much as one likes. */
    readonly limitOf: (plan: SubscriptionPlan, what: Limited) => number | null
    /**
     * Adds one where the plan allows one more; `used` counts those that are there. Near the limit those of one user are
     * added one after the other, so that there are never too many.
     */
    readonly oneMore: <A>(
      who: Subscriber,
      what: Limited,
      used: Effect.Effect<number, ServiceUnavailableError>,
      add: Effect.Effect<A, ServiceUnavailableError>,
    ) => Effect.Effect<A, QuotaExceededError | ServiceUnavailableError>
  }
>()("plinth/business/Entitlements") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { PLAN_LIMITS } = yield* Settings
      const repo = yield* EntitlementsRepo
      const { transaction } = yield* Database

      const limitOf = (plan: SubscriptionPlan, what: Limited) => PLAN_LIMITS[plan][what] ?? null

      const oneMore: Entitlements["Service"]["oneMore"] = ({ id, plan }, what, used, add) => {
        const limit = limitOf(plan, what)
        return limit === null
          ? add
          : Effect.flatMap(used, (count) =>
              count < limit - limitMargin ? add : transaction(guarded(id, what, limit, used, add)),
            )
      }

      const guarded = Effect.fnUntraced(function* <A>(
        id: UserId,
        what: Limited,
        limit: number,
        used: Effect.Effect<number, ServiceUnavailableError>,
        add: Effect.Effect<A, ServiceUnavailableError>,
      ) {
        yield* repo.lock(id, what)
        const count = yield* used
        if (count < limit) return yield* add
        return yield* new QuotaExceededError({ metric: what, limit, used: count })
      })

      return Entitlements.of({ limitOf, oneMore })
    }),
  )
}

/** More than the limit of requests lets one user add at the same moment. */
const limitMargin = 100
