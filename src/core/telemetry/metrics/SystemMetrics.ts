import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"
import type { Registry } from "./Registry.ts"

/** The state that all processes share. */
export interface SystemState {
  readonly users: { readonly active: number; readonly inactive: number }
  /** The number of waiting jobs by name, including jobs scheduled for later. */
  readonly queues: ReadonlyMap<string, number>
}

/** Gauges of the system state. */
export interface SystemMetrics {
  /**
   * Sets the probe of the system state, which every scrape reads. It returns undefined if another process exports the
   * state.
   */
  readonly system: (probe: () => SystemState | undefined) => void
}

export const make = ({ appendText }: Registry): SystemMetrics => {
  let probe: (() => SystemState | undefined) | undefined
  appendText(() => {
    const state = probe?.()
    return state === undefined ? "" : format(state)
  })
  return {
    system: (newProbe) => {
      probe = newProbe
    },
  }
}

/** Formats the series that only one process at a time exports, because dashboards sum over processes. */
const format = (state: SystemState) => {
  // A new registry each time, because series cannot be removed from one.
  const registry = Context.make(Metric.MetricRegistry, new Map())
  const gauge = (
    name: string,
    description: string,
    attributes: Readonly<Record<string, string>>,
    value: number,
  ) => Metric.gauge(name, { description, attributes }).updateUnsafe(value, registry)

  for (const [status, count] of Object.entries(state.users)) {
    gauge("users_total", "Users by status.", { status }, count)
  }
  for (const [queue_name, count] of state.queues) {
    gauge("background_job_queue_size", "Waiting background jobs.", { queue_name }, count)
  }
  // The name ends like a counter, but the value can fall.
  return PrometheusMetrics.formatUnsafe(registry).replace(
    "# TYPE users_total gauge",
    "# TYPE users_total untyped",
  )
}
