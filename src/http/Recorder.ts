import { Clock, Effect } from "effect"
import { Usage } from "../business/usage/Usage.ts"
import { AccessLog } from "../core/telemetry/AccessLog.ts"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { type Exchange, unloggedRoutes } from "./Exchange.ts"

/** nginx's status for a client that disconnected before the response. It is logged, never sent. */
export const clientClosedRequest = 499

/** Returns a function that records an answered request: its span, usage, metrics and line in the access log. */
export const make = Effect.gen(function* () {
  const metrics = yield* Metrics
  const accessLog = yield* AccessLog
  const usage = yield* Usage
  const clock = yield* Clock.Clock

  return (exchange: Exchange, status: number) => {
    exchange.span?.end(exchange.method, exchange.endpoint, status)
    if (unloggedRoutes.has(exchange.endpoint)) return
    if (exchange.user_id !== null && status < 400) {
      usage.count(exchange.user_id, "api_requests", { dimension: exchange.endpoint })
    }
    const elapsed = performance.now() - exchange.startedAtMs
    metrics.httpFinished(exchange.method, exchange.endpoint, status, elapsed / 1000)
    accessLog.write({
      timestamp: clock.currentTimeMillisUnsafe(),
      request_id: exchange.request_id,
      user_id: exchange.user_id,
      method: exchange.method,
      path: exchange.path,
      endpoint: exchange.endpoint,
      status_code: status,
      duration_ms: elapsed,
      client_ip: exchange.ip_address,
      trace_id: exchange.span?.trace_id ?? null,
      span_id: exchange.span?.span_id ?? null,
    })
  }
})
