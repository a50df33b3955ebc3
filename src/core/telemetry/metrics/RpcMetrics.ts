import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of RPC calls. */
export interface RpcMetrics {
  /** Records a completed call. `status` is "success", the error code, or "CANCELLED". */
  readonly rpc: (method: string, caller: string, status: string, seconds: number) => void
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Callers choose their names, so the label is bounded: all further callers are counted as "other". */
const maxCallers = 100

export const make = ({ counter, histogram }: Registry): RpcMetrics => {
  const calls = counter("rpc_requests_total", "RPC calls.")
  const times = histogram(
    "rpc_request_duration_seconds",
    "RPC call duration, to the end of the response.",
    buckets,
  )
  const timesOf = memoize((method: string) => times({ method }))
  const callsOf = memoize((method: string) =>
    memoize((caller: string) => memoize((status: string) => calls({ method, caller, status }))),
  )
  const callers = new Set<string>()
  const callerLabel = (caller: string) => {
    if (callers.size < maxCallers) callers.add(caller)
    return callers.has(caller) ? caller : "other"
  }
  return {
    rpc: (method, caller, status, seconds) => {
      callsOf(method)(callerLabel(caller))(status)(1)
      timesOf(method)(seconds)
    },
  }
}
