interface Window {
  count: number
  closes_at: number
}

export interface Decision {
  readonly isAllowed: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** Plinth's headers of a limit. Times are in ms. */
export class LimitHeaders {
  readonly limit: number
  private readonly policy: string

  constructor(limit: number, seconds: number) {
    this.limit = limit
    this.policy = `"default";q=${limit};w=${seconds}`
  }

  of(remaining: number, now: number, closes_at: number) {
    return {
      "x-ratelimit-limit": String(this.limit),
      "x-ratelimit-remaining": String(remaining),
      "x-ratelimit-reset": String(Math.ceil(closes_at / 1000)),
      ratelimit: `"default";r=${remaining};t=${Math.ceil((closes_at - now) / 1000)}`,
      "ratelimit-policy": this.policy,
    }
  }
}

/** Plinth's in-memory limit per caller and route. */
export class FastifyLimit {
  private readonly windows = new Map<string, Window>()
  private readonly headers: LimitHeaders
  private readonly millis: number

  constructor(limit: number, seconds: number) {
    this.millis = (seconds * 1000) / limit
    this.headers = new LimitHeaders(limit, seconds)
  }

  take(key: string, now: number): Decision {
    let window = this.windows.get(key)
    if (window === undefined || window.closes_at <= now) {
      window = { count: 0, closes_at: now }
      this.windows.set(key, window)
    }
    const { limit } = this.headers
    const isAllowed = window.count < limit
    if (isAllowed) {
      window.count += 1
      window.closes_at = Math.ceil(window.closes_at + this.millis)
    }
    return { isAllowed, headers: this.headers.of(limit - window.count, now, window.closes_at) }
  }
}
