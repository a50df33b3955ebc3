import { Clock, Context, Effect, Exit, Layer } from "effect"
import { RequestQuota } from "../../business/plans/RequestQuota.ts"
import { steadyMillis } from "../../core/SteadyClock.ts"
import type { QuotaExceededError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { CountsAgainstQuota, policyOf } from "../../http/Policies.ts"
import { Quota } from "./Quota.ts"

type Check = Effect.Effect<void, QuotaExceededError | ServiceUnavailableError>

/**
 * Returns, for an endpoint, a function that fails if the user's plan has no requests left; an `Exit` if that is known.
 * Undefined for an endpoint that is exempt.
 */
export const make = Effect.map(
  RequestQuota,
  (quota) => (options: Parameters<typeof policyOf>[1]) =>
    policyOf(CountsAgainstQuota, options)
      ? (user: CurrentUser["Service"], clock: Clock.Clock): Check =>
          quota.isKnownToHaveRequestsLeft(user, steadyMillis(clock)) ? Exit.void : quota.check(user)
      : undefined,
)

export const layer = Layer.effect(
  Quota,
  Effect.map(make, (checkFor) =>
    Quota.of((handler, options) => {
      const check = checkFor(options)
      if (check === undefined) return handler
      return Effect.withFiber((fiber) => {
        const user = Context.getUnsafe(fiber.context, CurrentUser)
        return Effect.flatMapEager(check(user, fiber.getRef(Clock.Clock)), () => handler)
      })
    }),
  ),
)
