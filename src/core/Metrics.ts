import { Context, Effect, Layer, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as AiMetrics from "./AiMetrics.ts"
import { memoize } from "./Memoize.ts"
import { familiesOf } from "./MetricFamilies.ts"
import * as PoolMetrics from "./PoolMetrics.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as RpcMetrics from "./RpcMetrics.ts"
import { Settings } from "./Settings.ts"
import * as SystemSeries from "./SystemSeries.ts"

type Operation = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

export type CircuitState = "closed" | "half_open" | "open"

/** The values of `circuit_breaker_state`. */
const circuitStates: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 }

/**
 * What the process counts, in a registry of its own. Recorders are plain functions, because they stand on the path
 * of every request; times are in seconds.
 */
export class Metrics extends Context.Service<
  Metrics,
  {
    /** A request whose endpoint is known; each is followed by `httpFinished`. */
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
    /** A request refused because of its number. */
    readonly rateLimitHit: (endpoint: string, client: "ip" | "user") => void
    /** A look into a cache; `type` names what it holds. */
    readonly cacheLookup: (type: string, hit: boolean) => void
    /** A call of somebody else's service, all its attempts together. */
    readonly externalCall: (
      service: string,
      operation: string,
      status: "success" | "error",
      seconds: number,
    ) => void
    readonly circuitBreaker: (service: string, state: CircuitState) => void
    /** `failed` is an attempt; `enqueued` what was committed. */
    readonly job: (name: string, status: "enqueued" | "started" | "completed" | "failed") => void
    /** An attempt, whatever came of it. */
    readonly jobDuration: (name: string, seconds: number) => void
    readonly rpc: RpcMetrics.RpcMetrics["rpc"]
    readonly llmRequest: AiMetrics.AiMetrics["llmRequest"]
    readonly llmTokens: AiMetrics.AiMetrics["llmTokens"]
    /** Read at each scrape. */
    readonly pool: (probe: () => PoolMetrics.PoolState) => void
    /** Open connections to Redis; read at each scrape. */
    readonly redis: (probe: () => number) => void
    /** Read at each scrape; undefined where another process tells it. */
    readonly system: (probe: () => SystemSeries.SystemState | undefined) => void
    /** The Prometheus text format, 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("plinth/core/Metrics") {
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
  const kinds = familiesOf(registry)
  const { counter, gauge, histogram } = kinds

  const requests = counter("http_requests_total", "Requests answered.")
  const requestTimes = histogram(
    "http_request_duration_seconds",
    "Time from the head of a request to its answer.",
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
        description: "Requests being answered.",
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

  const queries = counter("db_queries_total", "Statements run.")
  const queryTimes = histogram(
    "db_query_duration_seconds",
    "Time of a statement, its wait for a connection included.",
    databaseBuckets,
  )
  const statements = memoize((operation: Operation) =>
    memoize((table: string) => {
      const labels = { operation, table }
      return { count: queries(labels), time: queryTimes(labels) }
    }),
  )
  const databaseErrors = counter("db_errors_total", "Statements that failed.")
  const errorsOf = memoize((error_type: string) => databaseErrors({ error_type }))

  const authEvents = counter("auth_events_total", "Sign-ins by outcome.")
  const eventsOf = memoize((event: string) =>
    memoize((provider: string) => authEvents({ event, provider })),
  )
  const authFailures = counter("auth_failures_total", "Refused credentials.")
  const failuresOf = memoize((reason: string) => authFailures({ reason }))

  const rateLimitHits = counter(
    "rate_limit_hits_total",
    "Requests refused because of their number.",
  )
  const hitsOf = memoize((endpoint: string) =>
    memoize((client_type: string) => rateLimitHits({ endpoint, client_type })),
  )
  const cacheHits = counter("cache_hits_total", "Lookups that a cache answered.")
  const cacheMisses = counter("cache_misses_total", "Lookups that a cache could not answer.")
  const lookupsOf = memoize((cache_type: string) => ({
    hit: cacheHits({ cache_type }),
    miss: cacheMisses({ cache_type }),
  }))

  const externalCalls = counter("external_service_requests_total", "Calls of other services.")
  const externalTimes = histogram(
    "external_service_duration_seconds",
    "Time of a call of another service, its retries included.",
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
  const breakers = gauge("circuit_breaker_state", "0 closed, 1 half open, 2 open.")
  const breakerOf = memoize((service: string) => breakers({ service }))

  const jobs = counter("background_jobs_total", "Background jobs by what became of them.")
  const jobsOf = memoize((job_name: string) =>
    memoize((status: string) => jobs({ job_name, status })),
  )
  const jobTimes = histogram(
    "background_job_duration_seconds",
    "Time of an attempt at a background job.",
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
      // One that was interrupted before its endpoint was known has not started.
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
