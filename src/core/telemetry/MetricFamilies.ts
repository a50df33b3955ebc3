import { type Context, Metric } from "effect"

/** Returns the recorder of the series with the given labels. Creating a series costs more than recording: reuse it. */
export type Family<Input> = (labels: Readonly<Record<string, string>>) => (value: Input) => void

/** Defines a metric by its name and its help text. */
export type DefineFamily = (name: string, description: string) => Family<number>

/** Returns a constructor for each kind of metric, bound to a registry. */
export const metricKinds = (registry: Context.Context<never>) => {
  // Each series has its own metric: a shared one recomputes the key of the series whenever the labels change.
  const family =
    <Input, State>(
      make: (attributes: Readonly<Record<string, string>>) => Metric.Metric<Input, State>,
    ): Family<Input> =>
    (labels) => {
      const series = make(labels)
      return (value) => series.updateUnsafe(value, registry)
    }
  const counter: DefineFamily = (name, description) =>
    family((attributes) => Metric.counter(name, { description, attributes, incremental: true }))
  const gauge: DefineFamily = (name, description) =>
    family((attributes) => Metric.gauge(name, { description, attributes }))
  const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
    family((attributes) => Metric.histogram(name, { description, attributes, boundaries }))
  return { counter, gauge, histogram }
}

export type MetricKinds = ReturnType<typeof metricKinds>
