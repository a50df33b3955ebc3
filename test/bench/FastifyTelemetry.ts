// @effect-diagnostics asyncFunction:off globalDate:off globalTimers:off -- the baseline is plain async code
import type { FastifyRequest } from "fastify"

/** Counters and histograms in plain arrays, as in a service without a metrics library. */

const httpBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const databaseBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

class Histogram {
  readonly boundaries: ReadonlyArray<number>
  readonly buckets: Array<number>
  sum = 0
  count = 0

  constructor(boundaries: ReadonlyArray<number>) {
    this.boundaries = boundaries
    this.buckets = boundaries.map(() => 0).concat(0)
  }

  observe(value: number) {
    let at = 0
    while (at < this.boundaries.length && value > (this.boundaries[at] ?? 0)) at += 1
    this.buckets[at] = (this.buckets[at] ?? 0) + 1
    this.sum += value
    this.count += 1
  }
}

export class Counters {
  private readonly inProgress = new Map<string, number>()
  private readonly requests = new Map<string, number>()
  private readonly requestTimes = new Map<string, Histogram>()
  private readonly queries = new Map<string, Histogram>()

  started(method: string, endpoint: string) {
    add(this.inProgress, `${method}\n${endpoint}`, 1)
  }

  finished(method: string, endpoint: string, status: number, seconds: number) {
    const key = `${method}\n${endpoint}`
    add(this.inProgress, key, -1)
    add(this.requests, `${key}\n${status}`, 1)
    observe(this.requestTimes, key, httpBuckets, seconds)
  }

  /** `subject` is the operation and the table. */
  query(subject: string, started: number) {
    observe(this.queries, subject, databaseBuckets, (performance.now() - started) / 1000)
  }
}

const add = (values: Map<string, number>, key: string, by: number) =>
  values.set(key, (values.get(key) ?? 0) + by)

const observe = (
  values: Map<string, Histogram>,
  key: string,
  boundaries: ReadonlyArray<number>,
  value: number,
) => {
  let histogram = values.get(key)
  if (histogram === undefined) values.set(key, (histogram = new Histogram(boundaries)))
  histogram.observe(value)
}

/** The access line that Plinth writes too, in batches of 16 KiB or 200 ms. */
export class AccessLog {
  private readonly fixed: string
  private text = ""
  private timer: NodeJS.Timeout | undefined

  constructor(service: string, environment: string) {
    this.fixed = `"level":"INFO","message":"request","service":"${service}","environment":"${environment}","version":"0.1.0","request_id":"`
  }

  write(request: FastifyRequest, endpoint: string, status: number, elapsed: number) {
    const { id, ip, method, url, user_id } = request
    const query = url.indexOf("?")
    const path = query === -1 ? url : url.slice(0, query)
    const user = user_id === null ? "" : `,"user_id":${JSON.stringify(user_id)}`
    this.text += `{"timestamp":"${new Date().toISOString()}",${this.fixed}${id}"${user},"method":"${method}","path":${JSON.stringify(path)},"endpoint":"${endpoint}","status_code":${status},"duration_ms":${Math.round(elapsed * 100) / 100},"client_ip":"${ip}"}\n`
    if (this.text.length >= 16_384) this.flush()
    else this.timer ??= setTimeout(this.flush, 200)
  }

  private readonly flush = () => {
    clearTimeout(this.timer)
    this.timer = undefined
    process.stdout.write(this.text)
    this.text = ""
  }
}
