import { Context, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

/** Returns the recorder of the series with the given labels. Creating a series costs more than recording: reuse it. */
type Family<Input> = (labels: Readonly<Record<string, string>>) => (value: Input) => void

/** Defines a metric by its name and its help text. */
type DefineFamily = (name: string, description: string) => Family<number>

/** Returns a separate registry: a constructor for each kind of metric, and what a scrape reads. */
export const make = () => {
  const registry = Context.make(Metric.MetricRegistry, new Map())
  const samplers: Array<() => void> = []
  const texts: Array<() => string> = []

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

  return {
    counter,
    gauge,
    histogram,
    /** Runs at each scrape, before the series are read. */
    beforeScrape: (sample: () => void) => {
      samplers.push(sample)
    },
    /** Appends a text of further series to each scrape. */
    appendText: (text: () => string) => {
      texts.push(text)
    },
    /** Returns all metrics in the Prometheus text format 0.0.4. */
    render: () => {
      for (const sample of samplers) sample()
      return PrometheusMetrics.formatUnsafe(registry) + texts.map((text) => text()).join("")
    },
  }
}

export type Registry = ReturnType<typeof make>
