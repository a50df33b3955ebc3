import { Clock, Context, Effect, Layer } from "effect"
import { Settings } from "../core/Settings.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../domain/Errors.ts"
import { now } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"
import { Entitlements, type Subscriber } from "./Entitlements.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"

/** In ms: how long is believed what the database said. As much later a plan closes that is spent. */
const lifetime = 5000
const maxKnown = 10_000

/** The requests that a plan gives in a month, in UTC. */
export class RequestQuota extends Context.Service<
  RequestQuota,
  {
    /** A plain call, because nearly every request makes one: nothing has to be asked. */
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
      /** When it was seen that something is left. */
      const seen = new Map<UserId, number>()
      const limitFor = ({ plan }: Subscriber) =>
        USAGE_TRACKING_ENABLED ? limitOf(plan, "api_requests") : null

      return RequestQuota.of({
        isKnownLeft: (user, time) =>
          limitFor(user) === null || time - (seen.get(user.id) ?? -lifetime) < lifetime,
        check: Effect.fnUntraced(function* (user) {
          const limit = limitFor(user)
          if (limit === null) return
          const time = yield* Clock.currentTimeMillis
          const used = yield* repo.usedSince(
            user.id,
            "api_requests",
            `${(yield* now).slice(0, 7)}-01`,
          )
          if (used >= limit) {
            return yield* new QuotaExceededError({ metric: "api_requests", limit, used })
          }
          if (seen.size >= maxKnown) seen.clear()
          seen.set(user.id, time)
        }),
      })
    }),
  )
}
