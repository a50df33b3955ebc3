import * as Period from "../../domain/Period.ts"
import { Context, Effect, Layer } from "effect"
import { BoundedMap } from "../../core/BoundedMap.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { currentSteadyMillis } from "../../core/SteadyClock.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import type { UserId } from "../../domain/users/User.ts"
import { Entitlements, type Subscriber } from "./Entitlements.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"

interface CachedUsage {
  readonly used: number
  readonly readAtMs: number
}

/** The maximum age of a usage reading. A spent plan is refused, and an upgraded one admitted, at most this late. */
const maxAgeMs = 5000
const maxCachedUsers = 10_000

/** Enforces a plan's requests per calendar month (UTC). */
export class RequestQuota extends Context.Service<
  RequestQuota,
  {
    /**
     * Tests without a database query whether requests are left. A synchronous call, because nearly every request makes
     * one. `now` is in ms on the steady clock.
     */
    readonly isKnownToHaveRequestsLeft: (user: Subscriber, now: number) => boolean
    readonly check: (
      user: Subscriber,
    ) => Effect.Effect<void, QuotaExceededError | ServiceUnavailableError>
  }
>()("plinth/business/plans/RequestQuota") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { limitOf } = yield* Entitlements
      const { USAGE_TRACKING_ENABLED } = yield* Settings
      const repo = yield* EntitlementsRepo
      const cached = new BoundedMap<UserId, CachedUsage>(maxCachedUsers)
      const requestLimitOf = ({ plan }: Subscriber) =>
        USAGE_TRACKING_ENABLED ? limitOf(plan, "api_requests") : null
      const getFresh = (user: UserId, time: number) => {
        const entry = cached.get(user)
        return entry !== undefined && time - entry.readAtMs < maxAgeMs ? entry : undefined
      }

      const read = Effect.fnUntraced(function* (user: UserId, readAtMs: number) {
        const month = Period.monthOf(Period.dayOf(yield* now)).from
        const used = yield* repo.usedSince(user, "api_requests", month)
        const entry = { used, readAtMs }
        cached.set(user, entry)
        return entry
      })

      return RequestQuota.of({
        isKnownToHaveRequestsLeft: (user, time) => {
          const limit = requestLimitOf(user)
          return limit === null || (getFresh(user.id, time)?.used ?? limit) < limit
        },
        check: Effect.fnUntraced(function* (user) {
          const limit = requestLimitOf(user)
          const time = yield* currentSteadyMillis
          if (limit === null) return
          const { used } = getFresh(user.id, time) ?? (yield* read(user.id, time))
          if (used >= limit) {
            return yield* new QuotaExceededError({ metric: "api_requests", limit, used })
          }
        }),
      })
    }),
  )
}
