import { Clock, Context, Effect, Layer } from "effect"
import { RequestQuota } from "../../business/plans/RequestQuota.ts"
import { steadyMillis } from "../../core/SteadyClock.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { CountsAgainstQuota, policyOf } from "../../http/Policies.ts"
import { Quota } from "./Quota.ts"

export const layer = Layer.effect(
  Quota,
  Effect.map(RequestQuota, (quota) =>
    Quota.of((handler, options) => {
      if (!policyOf(CountsAgainstQuota, options)) return handler
      return Effect.withFiber((fiber) => {
        const user = Context.getUnsafe(fiber.context, CurrentUser)
        const now = steadyMillis(fiber.getRef(Clock.Clock))
        return quota.isKnownToHaveRequestsLeft(user, now)
          ? handler
          : Effect.andThen(quota.check(user), handler)
      })
    }),
  ),
)
