import { type Context, Metric } from "effect"

/** A metric, from the labels of a series to what records it. Making a series costs more than recording: keep it. */
export type Family<Input> = (labels: Readonly<Record<string, string>>) => (value: Input) => void

/** From the name and the description of a metric. */
export type Define = (name: string, description: string) => Family<number>

/** The kinds of metrics, in this registry. */
export const familiesOf = (registry: Context.Context<never>) => {
  // A metric of its own for each series: one that is shared computes the key of a series anew at every change of labels.
  const family =
    <Input, State>(
      make: (attributes: Readonly<Record<string, string>>) => Metric.Metric<Input, State>,
    ): Family<Input> =>
    (labels) => {
      const series = make(labels)
      return (value) => series.updateUnsafe(value, registry)
    }
  const counter: Define = (name, description) =>
    family((attributes) => Metric.counter(name, { description, attributes, incremental: true }))
  const gauge: Define = (name, description) =>
    family((attributes) => Metric.gauge(name, { description, attributes }))
  const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
    family((attributes) => Metric.histogram(name, { description, attributes, boundaries }))
  return { counter, gauge, histogram }
}

export type Kinds = ReturnType<typeof familiesOf>
