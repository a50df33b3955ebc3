import { memoize } from "./Memoize.ts"
import type { Kinds } from "./MetricFamilies.ts"

/** Of calls over RPC. */
export interface RpcMetrics {
  /** One to its end; `status` is "success", the code of its failure, or "CANCELLED". */
  readonly rpc: (method: string, caller: string, status: string, seconds: number) => void
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Names come from the callers: past this many, each further one is counted as "other". */
const mostCallers = 100

export const make = ({ counter, histogram }: Kinds): RpcMetrics => {
  const calls = counter("rpc_requests_total", "Calls of RPC methods.")
  const times = histogram(
    "rpc_request_duration_seconds",
    "Time of a call of an RPC method, to the end of its answer.",
    buckets,
  )
  const timesOf = memoize((method: string) => times({ method }))
  const callsOf = memoize((method: string) =>
    memoize((caller: string) => memoize((status: string) => calls({ method, caller, status }))),
  )
  const callers = new Set<string>()
  const bounded = (caller: string) => {
    if (callers.size < mostCallers) callers.add(caller)
    return callers.has(caller) ? caller : "other"
  }
  return {
    rpc: (method, caller, status, seconds) => {
      callsOf(method)(bounded(caller))(status)(1)
      timesOf(method)(seconds)
    },
  }
}
