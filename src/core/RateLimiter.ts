import { Clock, Context, Duration, Effect, Exit, Layer } from "effect"
import { RateLimiter as EffectRateLimiter, Redis as EffectRedis } from "effect/persistence"
import type { Rate } from "../domain/Rate.ts"
import { BoundedMap } from "./BoundedMap.ts"
import { Redis } from "./Redis.ts"
import { steadyMillis } from "./SteadyClock.ts"

/** What became of one call. */
export interface LimitDecision {
  readonly isAllowed: boolean
  /** Calls that would be allowed right after this one. */
  readonly remaining: number
  /** Milliseconds. When refused: after them a call is allowed. Else: after them all of `limit` are again. */
  readonly reset_after: number
}

/**
 * Counts calls. The window of a key opens with its first call and lasts `seconds / limit` for each call in it: at most
 * `limit` calls at once, and `limit` per `seconds` in the long run.
 */
export class RateLimiter extends Context.Service<
  RateLimiter,
  {
    /** Counts one call of the key, unless it is refused. Cannot fail: without Redis this process counts for itself. */
    readonly take: (key: string, rate: Rate) => Effect.Effect<LimitDecision>
  }
>()("plinth/core/RateLimiter") {
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
          const takeHere = yield* inMemory

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
                  onFailure: () => takeHere(key, rate),
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

/** An `Exit`, so that it costs no step. */
const inMemory = Effect.map(Clock.Clock, (clock) => {
  const windows = new Windows()
  return (key: string, rate: Rate) => Exit.succeed(windows.take(key, rate, steadyMillis(clock)))
})

interface Window {
  count: number
  /** In steady ms: a system clock that steps back would keep it closed. */
  closes_at: number
}

const maxWindows = 100_000

/** The same algorithm as that of the Redis store, in this process. */
class Windows {
  private readonly all = new BoundedMap<string, Window>(maxWindows)

  take(key: string, rate: Rate, now: number): LimitDecision {
    const window = this.all.get(key)
    if (window === undefined || window.closes_at <= now) return this.open(key, rate, now)
    if (window.count >= rate.limit)
      return decisionOf(rate, window.count + 1, window.closes_at - now)
    window.count += 1
    window.closes_at = Math.ceil(window.closes_at + millisPerCall(rate))
    return decisionOf(rate, window.count, window.closes_at - now)
  }

  private open(key: string, rate: Rate, now: number) {
    const millis = Math.ceil(millisPerCall(rate))
    this.all.set(key, { count: 1, closes_at: now + millis })
    return decisionOf(rate, 1, millis)
  }
}
