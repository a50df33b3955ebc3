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

/** The maximum age of cached usage. When a plan is used up or upgraded, requests notice it at most this late. */
const maxAgeMs = 5000
const maxCachedUsers = 10_000

/** Enforces a plan's requests per calendar month (UTC). */
export class RequestQuota extends Context.Service<
  RequestQuota,
  {
    /**
     * Tests without a database query whether requests are left. Synchronous, because nearly every request calls it.
     * `nowMs` is on the steady clock.
     */
    readonly isKnownToHaveRequestsLeft: (user: Subscriber, nowMs: number) => boolean
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
      const getFresh = (user: UserId, nowMs: number) => {
        const entry = cached.get(user)
        return entry !== undefined && nowMs - entry.readAtMs < maxAgeMs ? entry : undefined
      }

      const read = Effect.fnUntraced(function* (user: UserId, readAtMs: number) {
        const month = Period.monthOf(Period.dayOf(yield* now)).from
        const used = yield* repo.usedSince(user, "api_requests", month)
        const entry = { used, readAtMs }
        cached.set(user, entry)
        return entry
      })

      return RequestQuota.of({
        isKnownToHaveRequestsLeft: (user, nowMs) => {
          const limit = requestLimitOf(user)
          return limit === null || (getFresh(user.id, nowMs)?.used ?? limit) < limit
        },
        check: Effect.fnUntraced(function* (user) {
          const limit = requestLimitOf(user)
          const nowMs = yield* currentSteadyMillis
          if (limit === null) return
          const { used } = getFresh(user.id, nowMs) ?? (yield* read(user.id, nowMs))
          if (used >= limit) {
            return yield* new QuotaExceededError({ metric: "api_requests", limit, used })
          }
        }),
      })
    }),
  )
}
