/** A PromQL expression and the legend of its series, in Grafana's syntax: `{{method}} {{endpoint}}`. */
export interface Query {
  readonly expr: string
  readonly legend?: string
}

/** Any PromQL. Add `instance=~"$instance"` to its selectors to follow the instance picker of the dashboard. */
export const promql = (expr: string, legend?: string): Query =>
  legend === undefined ? { expr } : { expr, legend }

/**
 * The functions below take a metric, with or without label matchers (`http_requests_total{status_code=~"5.."}`), and
 * add the matcher of the instance picker. `by` lists the labels to group by, as PromQL does: "method, endpoint". The
 * legend shows those labels.
 */

/** Every series of a metric, with the labels that its legend shows. */
export const each = (metric: string, labels: string) => promql(selected(metric), legendOf(labels))

/** Sum of a gauge over its series. */
export const sum = (metric: string, by?: string) => aggregated("sum", by, selected(metric))

/** Smallest value of a gauge. */
export const min = (metric: string, by?: string) => aggregated("min", by, selected(metric))

/** Largest value of a gauge. */
export const max = (metric: string, by?: string) => aggregated("max", by, selected(metric))

/** Increase of a counter per second. */
export const rate = (counter: string, by?: string) =>
  aggregated("sum", by, `rate(${selected(counter)}[$__rate_interval])`)

/** Share of hits in all lookups: 0 to 1. */
export const hitRate = (hits: string, misses: string, by: string) => {
  const [hit, miss] = [rate(hits, by).expr, rate(misses, by).expr]
  return promql(`${hit} / (${hit} + ${miss})`, legendOf(by))
}

/** Share of `part` in `whole`: 0 to 1, and 0 while `part` has no series. */
export const share = (part: string, whole: string) =>
  promql(`(${rate(part).expr} or vector(0)) / ${rate(whole).expr}`)

/** Quantiles of a histogram, named without the suffix `_bucket`. */
export const p50 = (histogram: string, by?: string) => quantile(0.5, histogram, by)
export const p95 = (histogram: string, by?: string) => quantile(0.95, histogram, by)
export const p99 = (histogram: string, by?: string) => quantile(0.99, histogram, by)

/** Three lines: p50, p95 and p99 of a histogram. */
export const percentiles = (histogram: string): ReadonlyArray<Query> => [
  { ...p50(histogram), legend: "p50" },
  { ...p95(histogram), legend: "p95" },
  { ...p99(histogram), legend: "p99" },
]

/** The ten largest series of a query. */
export const top10 = ({ expr, ...query }: Query): Query => ({ ...query, expr: `topk(10, ${expr})` })

/** Removes the series whose value is 0. */
export const nonZero = ({ expr, ...query }: Query): Query => ({ ...query, expr: `${expr} > 0` })

const quantile = (q: number, histogram: string, by?: string) => {
  const buckets = rate(`${histogram}_bucket`, by === undefined ? "le" : `le, ${by}`)
  return promql(`histogram_quantile(${q}, ${buckets.expr})`, legendOf(by))
}

const aggregated = (operator: string, by: string | undefined, expr: string) =>
  promql(`${operator}${by === undefined ? "" : ` by (${by}) `}(${expr})`, legendOf(by))

const selected = (metric: string) => {
  const [name = "", matchers] = metric.split(/[{}]/)
  return `${name}{${matchers === undefined ? "" : `${matchers}, `}instance=~"$instance"}`
}

const legendOf = (labels?: string) =>
  labels
    ?.split(", ")
    .map((label) => `{{${label}}}`)
    .join(" ")
