import { Context, Effect, Layer, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import { Settings } from "./Settings.ts"

type Operation = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

/** Connections of a pool: reserved or waiting for an answer, unused, and beyond the pool's size. */
export interface PoolState {
  readonly active: number
  readonly idle: number
  readonly overflow: number
}

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
    /** Read at each scrape. */
    readonly pool: (probe: () => PoolState) => void
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
const databaseBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const registry = Context.make(Metric.MetricRegistry, new Map())

  /** One series per set of label values, kept: labelling costs more than counting. */
  const family = <Input, State>(
    metric: Metric.Metric<Input, State>,
    ...labels: ReadonlyArray<string>
  ) => {
    const series = new Map<string, Metric.Metric<Input, State>>()
    return (value: Input, ...values: ReadonlyArray<string>) => {
      const key = values.length === 1 ? (values[0] ?? "") : values.join("\n")
      let kept = series.get(key)
      if (kept === undefined) {
        const attributes = labels.map((label, at) => [label, values[at] ?? ""] as const)
        kept = Metric.withAttributes(metric, Object.fromEntries(attributes))
        series.set(key, kept)
      }
      kept.updateUnsafe(value, registry)
    }
  }
  const counter = (name: string, description: string, ...labels: ReadonlyArray<string>) =>
    family(Metric.counter(name, { description, incremental: true }), ...labels)
  const gauge = (name: string, description: string, ...labels: ReadonlyArray<string>) =>
    family(Metric.gauge(name, { description }), ...labels)

  const requests = counter(
    "http_requests_total",
    "Requests answered.",
    "method",
    "endpoint",
    "status_code",
  )
  const requestTimes = family(
    Metric.histogram("http_request_duration_seconds", {
      description: "Time from the head of a request to its answer.",
      boundaries: httpBuckets,
    }),
    "method",
    "endpoint",
  )
  const inProgressGauge = gauge(
    "http_requests_in_progress",
    "Requests being answered.",
    "method",
    "endpoint",
  )
  const inProgress = new Map<string, number>()
  const moveInProgress = (method: string, endpoint: string, by: 1 | -1) => {
    const key = `${method}\n${endpoint}`
    const now = Math.max(0, (inProgress.get(key) ?? 0) + by)
    inProgress.set(key, now)
  }
  const queries = counter("db_queries_total", "Statements run.", "operation", "table")
  const queryTimes = family(
    Metric.histogram("db_query_duration_seconds", {
      description: "Time of a statement, its wait for a connection included.",
      boundaries: databaseBuckets,
    }),
    "operation",
    "table",
  )
  const databaseErrors = counter("db_errors_total", "Statements that failed.", "error_type")
  const connections = gauge("db_pool_connections", "Database connections by state.", "state")
  const authEvents = counter("auth_events_total", "Sign-ins by outcome.", "event", "provider")
  const authFailures = counter("auth_failures_total", "Refused credentials.", "reason")

  const probes: Array<() => PoolState> = []
  const sampleProcess = yield* ProcessMetrics.make({ counter, gauge, settings })

  const sample = () => {
    for (const [key, value] of inProgress) {
      const [method = "", endpoint = ""] = key.split("\n")
      inProgressGauge(value, method, endpoint)
    }
    const states = probes.map((probe) => probe())
    for (const state of ["active", "idle", "overflow"] as const) {
      if (states.length > 0)
        connections(
          states.reduce((sum, pool) => sum + pool[state], 0),
          state,
        )
    }
    sampleProcess()
  }

  return Metrics.of({
    httpStarted: (method, endpoint) => moveInProgress(method, endpoint, 1),
    httpFinished: (method, endpoint, status, seconds) => {
      moveInProgress(method, endpoint, -1)
      requests(1, method, endpoint, String(status))
      requestTimes(seconds, method, endpoint)
    },
    query: (operation, table, seconds) => {
      queries(1, operation, table)
      queryTimes(seconds, operation, table)
    },
    databaseError: (type) => databaseErrors(1, type),
    authEvent: (event, provider) => authEvents(1, event, provider),
    authFailure: (reason) => authFailures(1, reason),
    pool: (probe) => {
      probes.push(probe)
    },
    render: Effect.sync(() => {
      sample()
      return PrometheusMetrics.formatUnsafe(registry)
    }),
  })
})
