import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of HTTP requests. */
export interface HttpMetrics {
  /** Records a request with a known endpoint. `httpFinished` must follow each call. */
  readonly httpStarted: (method: string, endpoint: string) => void
  readonly httpFinished: (method: string, endpoint: string, status: number, seconds: number) => void
  /** Records a request rejected by a rate limit. */
  readonly rateLimitHit: (endpoint: string, client: "ip" | "user") => void
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export const make = ({ beforeScrape, counter, gauge, histogram }: Registry): HttpMetrics => {
  const requests = counter("http_requests_total", "HTTP requests answered.")
  const requestTimes = histogram(
    "http_request_duration_seconds",
    "HTTP request duration, from the request headers to the response.",
    buckets,
  )
  const inProgress = gauge("http_requests_in_progress", "HTTP requests in progress.")
  const samplers: Array<() => void> = []
  beforeScrape(() => {
    for (const sample of samplers) sample()
  })
  const seriesOf = memoize((method: string) =>
    memoize((endpoint: string) => {
      const labels = { method, endpoint }
      const series = {
        inProgress: 0,
        time: requestTimes(labels),
        requests: memoize((status: number) => requests({ ...labels, status_code: String(status) })),
      }
      const setInProgress = inProgress(labels)
      samplers.push(() => setInProgress(series.inProgress))
      return series
    }),
  )

  const rateLimitHits = counter("rate_limit_hits_total", "Requests rejected by a rate limit.")
  const hitsOf = memoize((endpoint: string) =>
    memoize((client_type: string) => rateLimitHits({ endpoint, client_type })),
  )

  return {
    httpStarted: (method, endpoint) => {
      seriesOf(method)(endpoint).inProgress += 1
    },
    httpFinished: (method, endpoint, status, seconds) => {
      const series = seriesOf(method)(endpoint)
      // A request interrupted before its endpoint was known was never started.
      series.inProgress = Math.max(0, series.inProgress - 1)
      series.requests(status)(1)
      series.time(seconds)
    },
    rateLimitHit: (endpoint, client) => hitsOf(endpoint)(client)(1),
  }
}
