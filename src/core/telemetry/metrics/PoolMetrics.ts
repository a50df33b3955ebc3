import type { Registry } from "./Registry.ts"

/** Numbers of connections in a pool: in use, unused, and beyond the pool's size. */
export interface PoolState {
  readonly active: number
  readonly idle: number
  readonly overflow: number
}

/** Gauges of connections to the database and to Redis. Without a probe there is no series. */
export interface PoolMetrics {
  /** Adds a probe of a connection pool, which every scrape reads. */
  readonly pool: (probe: () => PoolState) => void
  /** Adds a probe of the number of open Redis connections, which every scrape reads. */
  readonly redis: (probe: () => number) => void
}

export const make = ({ beforeScrape, gauge }: Registry): PoolMetrics => {
  const connections = gauge("db_pool_connections", "Database connections by state.")
  const redisConnections = gauge("redis_connections", "Open connections to Redis.")
  const probes: Array<() => PoolState> = []
  const redisProbes: Array<() => number> = []

  beforeScrape(() => {
    if (probes.length === 0) return
    const pools = probes.map((probe) => probe())
    for (const state of ["active", "idle", "overflow"] as const) {
      connections({ state })(pools.reduce((sum, pool) => sum + pool[state], 0))
    }
  })
  beforeScrape(() => {
    if (redisProbes.length === 0) return
    redisConnections({})(redisProbes.reduce((sum, probe) => sum + probe(), 0))
  })

  return {
    pool: (probe) => {
      probes.push(probe)
    },
    redis: (probe) => {
      redisProbes.push(probe)
    },
  }
}
