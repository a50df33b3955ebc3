import type { DefineFamily } from "./MetricFamilies.ts"

/** Numbers of connections in a pool: in use, unused, and beyond the pool's size. */
export interface PoolState {
  readonly active: number
  readonly idle: number
  readonly overflow: number
}

/** Gauges of connections to the database and to Redis, read when sampled. Without a probe there is no series. */
export const make = (gauge: DefineFamily) => {
  const connections = gauge("db_pool_connections", "Database connections by state.")
  const redisConnections = gauge("redis_connections", "Open connections to Redis.")
  const probes: Array<() => PoolState> = []
  const redisProbes: Array<() => number> = []

  const samplePools = () => {
    if (probes.length === 0) return
    const pools = probes.map((probe) => probe())
    for (const state of ["active", "idle", "overflow"] as const) {
      connections({ state })(pools.reduce((sum, pool) => sum + pool[state], 0))
    }
  }

  const sampleRedis = () => {
    if (redisProbes.length === 0) return
    redisConnections({})(redisProbes.reduce((sum, probe) => sum + probe(), 0))
  }

  return {
    pool: (probe: () => PoolState) => {
      probes.push(probe)
    },
    redis: (probe: () => number) => {
      redisProbes.push(probe)
    },
    sample: () => {
      samplePools()
      sampleRedis()
    },
  }
}
