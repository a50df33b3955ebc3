// @effect-diagnostics asyncFunction:off -- the baseline is plain async code
import { Redis } from "ioredis"
import { type Decision, LimitHeaders } from "./FastifyLimit.ts"

/** The script of Plinth's limit in Redis: a window that each call makes longer. */
const script = `
local current = tonumber(redis.call("GET", KEYS[1]))
local refill = tonumber(ARGV[1])
local limit = tonumber(ARGV[2])
if not current then
  local ttl = math.max(1, math.ceil(refill))
  redis.call("SET", KEYS[1], 1, "PX", ttl)
  return { 1, ttl }
end
local ttl = tonumber(redis.call("PTTL", KEYS[1]))
local next = current + 1
if next > limit then
  return { next, ttl }
end
ttl = math.max(1, math.ceil(ttl + refill))
redis.call("SET", KEYS[1], next, "PX", ttl)
return { next, ttl }
`

declare module "ioredis" {
  interface Redis {
    fixedWindow(key: string, millis: number, limit: number): Promise<[count: number, ttl: number]>
  }
}

/** Plinth's limit in Redis: one EVALSHA per request; those of one turn are sent in one write. */
export class FastifyRedisLimit {
  private readonly redis: Redis
  private readonly headers: LimitHeaders
  private readonly millis: number

  constructor(url: string, limit: number, seconds: number) {
    this.redis = new Redis(url, { enableAutoPipelining: true })
    this.redis.defineCommand("fixedWindow", { numberOfKeys: 1, lua: script })
    this.headers = new LimitHeaders(limit, seconds)
    this.millis = (seconds * 1000) / limit
  }

  async take(key: string, now: number): Promise<Decision> {
    const { limit } = this.headers
    const [count, ttl] = await this.redis.fixedWindow(key, this.millis, limit)
    return {
      isAllowed: count <= limit,
      headers: this.headers.of(Math.max(0, limit - count), now, now + ttl),
    }
  }
}
