import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

/** What is true of all processes together. */
export interface SystemState {
  readonly users: { readonly active: number; readonly inactive: number }
  /** How many jobs of each name wait, now or for their time. */
  readonly queues: ReadonlyMap<string, number>
}

/** The series that one process at a time exports, because dashboards add up what the processes say. */
export const format = (state: SystemState) => {
  // Anew each time: a series cannot be taken out of a registry.
  const registry = Context.make(Metric.MetricRegistry, new Map())
  const gauge = (
    name: string,
    description: string,
    attributes: Readonly<Record<string, string>>,
    value: number,
  ) => Metric.gauge(name, { description, attributes }).updateUnsafe(value, registry)

  for (const [status, count] of Object.entries(state.users)) {
    gauge("users_total", "Users by whether they may sign in.", { status }, count)
  }
  for (const [queue_name, count] of state.queues) {
    gauge("background_job_queue_size", "Background jobs that wait.", { queue_name }, count)
  }
  // Its name is that of a counter, and it falls.
  return PrometheusMetrics.formatUnsafe(registry).replace(
    "# TYPE users_total gauge",
    "# TYPE users_total untyped",
  )
}
