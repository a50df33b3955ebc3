interface Window {
  count: number
  closes_at: number
}

/** Plinth's in-memory limit per caller and route, with its headers. */
export class FastifyLimit {
  private readonly windows = new Map<string, Window>()
  private readonly limit: number
  private readonly millis: number
  private readonly policy: string

  constructor(limit: number, seconds: number) {
    this.limit = limit
    this.millis = (seconds * 1000) / limit
    this.policy = `"default";q=${limit};w=${seconds}`
  }

  take(key: string, now: number) {
    let window = this.windows.get(key)
    if (window === undefined || window.closes_at <= now) {
      window = { count: 0, closes_at: now }
      this.windows.set(key, window)
    }
    const isAllowed = window.count < this.limit
    if (isAllowed) {
      window.count += 1
      window.closes_at = Math.ceil(window.closes_at + this.millis)
    }
    const remaining = this.limit - window.count
    const after = window.closes_at - now
    return {
      isAllowed,
      headers: {
        "x-ratelimit-limit": String(this.limit),
        "x-ratelimit-remaining": String(remaining),
        "x-ratelimit-reset": String(Math.ceil(window.closes_at / 1000)),
        ratelimit: `"default";r=${remaining};t=${Math.ceil(after / 1000)}`,
        "ratelimit-policy": this.policy,
      },
    }
  }
}
