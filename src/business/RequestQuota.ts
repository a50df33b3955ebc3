import * as Period from "../domain/Period.ts"
import { Context, Effect, Layer } from "effect"
import { BoundedMap } from "../core/BoundedMap.ts"
import { Settings } from "../core/Settings.ts"
import { currentSteadyMillis } from "../core/SteadyClock.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../domain/Errors.ts"
import { now } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"
import { Entitlements, type Subscriber } from "./Entitlements.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"

interface Known {
  readonly used: number
  readonly read_at: number
}

/** In ms: how long is believed what the database said. As much later a plan closes that is spent, and opens that is new. */
const lifetime = 5000
const maxKnown = 10_000

/** The requests that a plan gives in a month, in UTC. */
export class RequestQuota extends Context.Service<
  RequestQuota,
  {
    /** A plain call, because nearly every request makes one: nothing has to be asked. `now` in steady ms. */
    readonly isKnownLeft: (user: Subscriber, now: number) => boolean
    readonly check: (
      user: Subscriber,
    ) => Effect.Effect<void, QuotaExceededError | ServiceUnavailableError>
  }
>()("plinth/business/RequestQuota") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { limitOf } = yield* Entitlements
      const { USAGE_TRACKING_ENABLED } = yield* Settings
      const repo = yield* EntitlementsRepo
      const known = new BoundedMap<UserId, Known>(maxKnown)
      const limitFor = ({ plan }: Subscriber) =>
        USAGE_TRACKING_ENABLED ? limitOf(plan, "api_requests") : null
      const recent = (user: UserId, time: number) => {
        const entry = known.get(user)
        return entry !== undefined && time - entry.read_at < lifetime ? entry : undefined
      }

      const read = Effect.fnUntraced(function* (user: UserId, read_at: number) {
        const month = Period.monthOf(Period.dayOf(yield* now)).from
        const used = yield* repo.usedSince(user, "api_requests", month)
        const entry = { used, read_at }
        known.set(user, entry)
        return entry
      })

      return RequestQuota.of({
        isKnownLeft: (user, time) => {
          const limit = limitFor(user)
          return limit === null || (recent(user.id, time)?.used ?? limit) < limit
        },
        check: Effect.fnUntraced(function* (user) {
          const limit = limitFor(user)
          const time = yield* currentSteadyMillis
          if (limit === null) return
          const { used } = recent(user.id, time) ?? (yield* read(user.id, time))
          if (used >= limit) {
            return yield* new QuotaExceededError({ metric: "api_requests", limit, used })
          }
        }),
      })
    }),
  )
}
