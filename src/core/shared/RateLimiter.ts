import { Clock, Context, Duration, Effect, Exit, Layer } from "effect"
import { RateLimiter as EffectRateLimiter, Redis as EffectRedis } from "effect/persistence"
import type { Rate } from "../../domain/Rate.ts"
import { BoundedMap } from "../BoundedMap.ts"
import { Redis } from "./Redis.ts"
import { steadyMillis } from "../SteadyClock.ts"

/** The decision on one call. */
export interface LimitDecision {
  readonly isAllowed: boolean
  /** The number of calls that would be allowed immediately after this one. */
  readonly remaining: number
  /**
   * In ms. If refused, the time until the next call is allowed; otherwise, until the full `limit` is available again.
   */
  readonly reset_after: number
}

/**
 * Limits calls by key. A key's window opens with its first call and lasts `seconds / limit` for each call in it. This
 * allows bursts of `limit` calls, and `limit` calls per `seconds` in the long run.
 */
export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /** Decides on one call. Refused calls are not counted. Never fails: without Redis, this process counts locally. */
    readonly take: (key: string, rate: Rate) => Effect.Effect<LimitDecision>
  }
>()("plinth/core/shared/RateLimiter") {
  static readonly layerMemory = Layer.effect(
    this,
    Effect.suspend(() => Effect.map(inMemory, (take) => ({ take }))),
  )

  static readonly layer = Layer.unwrap(
    Effect.map(Redis, (connection) => {
      if (connection === null) return this.layerMemory

      return Layer.effect(
        this,
        Effect.gen(function* () {
          const store = yield* EffectRateLimiter.makeStoreRedis({ prefix: "plinth:limit:" }).pipe(
            Effect.provideService(EffectRedis.Redis, connection.redis),
          )
          const takeLocally = yield* inMemory

          return RateLimiter.of({
            take: (key, rate) =>
              Effect.matchEffect(
                store.fixedWindow({
                  key,
                  tokens: 1,
                  limit: rate.limit,
                  refillRate: Duration.millis(millisPerCall(rate)),
                }),
                {
                  onSuccess: ([count, ttl]) => Exit.succeed(decisionOf(rate, count, ttl)),
                  onFailure: () => takeLocally(key, rate),
                },
              ),
          })
        }),
      )
    }),
  )
}

const millisPerCall = ({ limit, seconds }: Rate) => (seconds * 1000) / limit

const decisionOf = ({ limit }: Rate, count: number, reset_after: number): LimitDecision => ({
  isAllowed: count <= limit,
  remaining: Math.max(0, limit - count),
  reset_after,
})

/** Decides in memory. The decision is an `Exit`, which costs the fiber no additional step. */
const inMemory = Effect.map(Clock.Clock, (clock) => {
  const windows = new Windows()
  return (key: string, rate: Rate) => Exit.succeed(windows.take(key, rate, steadyMillis(clock)))
})

interface Window {
  count: number
  /** In steady ms: a system clock that is set back would keep the window open for longer. */
  closesAt: number
}

const maxWindows = 100_000

/** The algorithm of the Redis store, in memory. */
class Windows {
  private readonly byKey = new BoundedMap<string, Window>(maxWindows)

  take(key: string, rate: Rate, now: number): LimitDecision {
    const window = this.byKey.get(key)
    if (window === undefined || window.closesAt <= now) return this.open(key, rate, now)
    if (window.count >= rate.limit) return decisionOf(rate, window.count + 1, window.closesAt - now)
    window.count += 1
    window.closesAt = Math.ceil(window.closesAt + millisPerCall(rate))
    return decisionOf(rate, window.count, window.closesAt - now)
  }

  private open(key: string, rate: Rate, now: number) {
    const millis = Math.ceil(millisPerCall(rate))
    this.byKey.set(key, { count: 1, closesAt: now + millis })
    return decisionOf(rate, 1, millis)
  }
}
