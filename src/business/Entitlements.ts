import { Context, Effect, Layer } from "effect"
import { Settings } from "../core/Settings.ts"
import type { Limited } from "../domain/Plan.ts"
import type { SubscriptionPlan } from "../domain/User.ts"

/** What a plan gives. */
export class Entitlements extends Context.Service<
  Entitlements,
  {
    /** Null: as much as one likes. */
    readonly limitOf: (plan: SubscriptionPlan, what: Limited) => number | null
  }
>()("plinth/business/Entitlements") {
  static readonly layer = Layer.effect(
    this,
    Effect.map(Settings, ({ PLAN_LIMITS }) =>
      Entitlements.of({ limitOf: (plan, what) => PLAN_LIMITS[plan][what] ?? null }),
    ),
  )
}
