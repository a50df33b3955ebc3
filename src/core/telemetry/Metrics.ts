import { Context, Effect, Layer, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as AiMetrics from "./AiMetrics.ts"
import { memoize } from "./Memoize.ts"
import { metricKinds } from "./MetricFamilies.ts"
import * as PoolMetrics from "./PoolMetrics.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as RpcMetrics from "./RpcMetrics.ts"
import { Settings } from "../settings/Settings.ts"
import * as SystemSeries from "./SystemSeries.ts"

type Operation = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

export type CircuitState = "closed" | "half_open" | "open"

/** The values of `circuit_breaker_state`. */
const circuitStates: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 }

/**
 * The metrics of the process, in a separate registry. Recorders are plain functions, because every request calls them.
 * Times are in seconds.
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    /** Records a request with a known endpoint. `httpFinished` must follow each call. */
    readonly httpStarted: (method: string, endpoint: string) => void
    readonly httpFinished: (
      method: string,
      endpoint: string,
      status: number,
      seconds: number,
    ) => void
    readonly query: (operation: Operation, table: string, seconds: number) => void
    readonly databaseError: (type: string) => void
    readonly authEvent: (event: "login" | "signup" | "failed", provider: string) => void
    readonly authFailure: (reason: string) => void
    /** Records a request rejected by a rate limit. */
    readonly rateLimitHit: (endpoint: string, client: "ip" | "user") => void
    /** Records a cache lookup. `type` is the kind of cached values. */
    readonly cacheLookup: (type: string, hit: boolean) => void
    /** Records a call to an external service, including its retries. */
    readonly externalCall: (
      service: string,
      operation: string,
      status: "success" | "error",
      seconds: number,
    ) => void
    readonly circuitBreaker: (service: string, state: CircuitState) => void
    /** `failed` counts attempts; `enqueued` counts committed jobs. */
    readonly job: (name: string, status: "enqueued" | "started" | "completed" | "failed") => void
    /** Records the duration of an attempt, whether or not it succeeded. */
    readonly jobDuration: (name: string, seconds: number) => void
    readonly rpc: RpcMetrics.RpcMetrics["rpc"]
    readonly llmRequest: AiMetrics.AiMetrics["llmRequest"]
    readonly llmTokens: AiMetrics.AiMetrics["llmTokens"]
    /** Sets the probe of the connection pool, which every scrape reads. */
    readonly pool: (probe: () => PoolMetrics.PoolState) => void
    /** Sets the probe of the number of open Redis connections, which every scrape reads. */
    readonly redis: (probe: () => number) => void
    /** Sets the probe of the system state, which every scrape reads. Undefined if another process exports it. */
    readonly system: (probe: () => SystemSeries.SystemState | undefined) => void
    /** Returns all metrics in the Prometheus text format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("plinth/core/telemetry/Metrics") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make),
  )
}

const httpBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const externalBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const jobBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
const databaseBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const registry = Context.make(Metric.MetricRegistry, new Map())
  const kinds = metricKinds(registry)
  const { counter, gauge, histogram } = kinds

  const requests = counter("http_requests_total", "HTTP requests answered.")
  const requestTimes = histogram(
    "http_request_duration_seconds",
    "HTTP request duration, from the request headers to the response.",
    httpBuckets,
  )
  const http = memoize((method: string) =>
    memoize((endpoint: string) => {
      const labels = { method, endpoint }
      const series = {
        inProgress: 0,
        time: requestTimes(labels),
        requests: memoize((status: number) => requests({ ...labels, status_code: String(status) })),
      }
      const inProgress = Metric.gauge("http_requests_in_progress", {
        description: "HTTP requests in progress.",
        attributes: labels,
      })
      Metric.registerUnsafe(inProgress, registry, {
        get: () => ({ value: series.inProgress }),
        update: () => undefined,
        modify: () => undefined,
      })
      return series
    }),
  )

  const queries = counter("db_queries_total", "SQL statements executed.")
  const queryTimes = histogram(
    "db_query_duration_seconds",
    "SQL statement duration, including the wait for a connection.",
    databaseBuckets,
  )
  const statements = memoize((operation: Operation) =>
    memoize((table: string) => {
      const labels = { operation, table }
      return { count: queries(labels), time: queryTimes(labels) }
    }),
  )
  const databaseErrors = counter("db_errors_total", "Failed SQL statements.")
  const errorsOf = memoize((error_type: string) => databaseErrors({ error_type }))

  const authEvents = counter(
    "auth_events_total",
    "Authentication events: logins, sign-ups and failures.",
  )
  const eventsOf = memoize((event: string) =>
    memoize((provider: string) => authEvents({ event, provider })),
  )
  const authFailures = counter("auth_failures_total", "Rejected credentials by reason.")
  const failuresOf = memoize((reason: string) => authFailures({ reason }))

  const rateLimitHits = counter("rate_limit_hits_total", "Requests rejected by a rate limit.")
  const hitsOf = memoize((endpoint: string) =>
    memoize((client_type: string) => rateLimitHits({ endpoint, client_type })),
  )
  const cacheHits = counter("cache_hits_total", "Cache hits.")
  const cacheMisses = counter("cache_misses_total", "Cache misses.")
  const lookupsOf = memoize((cache_type: string) => ({
    hit: cacheHits({ cache_type }),
    miss: cacheMisses({ cache_type }),
  }))

  const externalCalls = counter("external_service_requests_total", "Calls to external services.")
  const externalTimes = histogram(
    "external_service_duration_seconds",
    "Duration of calls to external services, including retries.",
    externalBuckets,
  )
  const callsOf = memoize((service: string) =>
    memoize((operation: string) => {
      const labels = { service, operation }
      return {
        time: externalTimes(labels),
        count: memoize((status: string) => externalCalls({ ...labels, status })),
      }
    }),
  )
  const breakers = gauge(
    "circuit_breaker_state",
    "Circuit breaker state: 0 closed, 1 half open, 2 open.",
  )
  const breakerOf = memoize((service: string) => breakers({ service }))

  const jobs = counter("background_jobs_total", "Background jobs by status.")
  const jobsOf = memoize((job_name: string) =>
    memoize((status: string) => jobs({ job_name, status })),
  )
  const jobTimes = histogram(
    "background_job_duration_seconds",
    "Duration of background job attempts.",
    jobBuckets,
  )
  const jobTimesOf = memoize((job_name: string) => jobTimes({ job_name }))

  const ai = AiMetrics.make(kinds)
  const { rpc } = RpcMetrics.make(kinds)
  const pools = PoolMetrics.make(gauge)
  let systemProbe: (() => SystemSeries.SystemState | undefined) | undefined
  const sampleProcess = yield* ProcessMetrics.make({ counter, gauge, settings })

  return Metrics.of({
    httpStarted: (method, endpoint) => {
      http(method)(endpoint).inProgress += 1
    },
    httpFinished: (method, endpoint, status, seconds) => {
      const series = http(method)(endpoint)
      // A request interrupted before its endpoint was known was never started.
      series.inProgress = Math.max(0, series.inProgress - 1)
      series.requests(status)(1)
      series.time(seconds)
    },
    query: (operation, table, seconds) => {
      const { count, time } = statements(operation)(table)
      count(1)
      time(seconds)
    },
    databaseError: (type) => errorsOf(type)(1),
    authEvent: (event, provider) => eventsOf(event)(provider)(1),
    authFailure: (reason) => failuresOf(reason)(1),
    rateLimitHit: (endpoint, client) => hitsOf(endpoint)(client)(1),
    cacheLookup: (type, hit) => {
      const { hit: hits, miss } = lookupsOf(type)
      if (hit) hits(1)
      else miss(1)
    },
    externalCall: (service, operation, status, seconds) => {
      const { count, time } = callsOf(service)(operation)
      count(status)(1)
      time(seconds)
    },
    circuitBreaker: (service, state) => breakerOf(service)(circuitStates[state]),
    job: (name, status) => jobsOf(name)(status)(1),
    jobDuration: (name, seconds) => jobTimesOf(name)(seconds),
    rpc,
    llmRequest: ai.llmRequest,
    llmTokens: ai.llmTokens,
    pool: pools.pool,
    redis: pools.redis,
    system: (probe) => {
      systemProbe = probe
    },
    render: Effect.sync(() => {
      pools.sample()
      sampleProcess()
      const text = PrometheusMetrics.formatUnsafe(registry)
      const system = systemProbe?.()
      return system === undefined ? text : text + SystemSeries.format(system)
    }),
  })
})
