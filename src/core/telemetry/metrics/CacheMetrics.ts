import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of caches. */
export interface CacheMetrics {
  /** Records a cache lookup. `type` is the kind of cached values. */
  readonly cacheLookup: (type: string, hit: boolean) => void
}

export const make = ({ counter }: Registry): CacheMetrics => {
  const hits = counter("cache_hits_total", "Cache hits.")
  const misses = counter("cache_misses_total", "Cache misses.")
  const lookupsOf = memoize((cache_type: string) => ({
    hit: hits({ cache_type }),
    miss: misses({ cache_type }),
  }))

  return {
    cacheLookup: (type, isHit) => {
      const { hit, miss } = lookupsOf(type)
      if (isHit) hit(1)
      else miss(1)
    },
  }
}
