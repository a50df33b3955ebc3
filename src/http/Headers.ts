import type { Settings } from "../core/settings/Settings.ts"
import { type AppliedLimit, type Exchange, isOpen } from "./Exchange.ts"

const jsonPolicy = "default-src 'none'; frame-ancestors 'none'"

/** The policy of Swagger UI, a self-contained page that may call this server only. */
const pagePolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const exposedHeaders = [
  "X-Request-ID",
  "X-API-Version",
  "X-RateLimit-Limit",
  "X-RateLimit-Remaining",
  "X-RateLimit-Reset",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "Idempotency-Replayed",
  "ETag",
].join(", ")

export type HeaderSet = Readonly<Record<string, string>>

/** The headers of every response, by content and origin; built once. */
export const headerSets = (settings: Settings["Service"]) => {
  const common = {
    "x-api-version": "v1",
    "x-api-latest-version": "v1",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    ...(settings.ENVIRONMENT === "production"
      ? { "strict-transport-security": "max-age=31536000; includeSubDomains" }
      : {}),
    vary: "Origin",
  }
  const withoutCors = variants(common)
  const withCors = new Map(
    settings.BACKEND_CORS_ORIGINS.map((origin) => [
      origin,
      variants({
        ...common,
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": exposedHeaders,
      }),
    ]),
  )
  const variantsFor = (origin: string | undefined) =>
    origin === undefined ? withoutCors : (withCors.get(origin) ?? withoutCors)

  return {
    /** Headers of a JSON response for one caller, which neither shared caches nor browsers may store. */
    personal: (origin: string | undefined): HeaderSet => variantsFor(origin).personal,
    /** Headers of a response with these headers of its own: an HTML page has its own content security policy. */
    of: ({ origin, path }: Exchange, own: HeaderSet): HeaderSet => {
      const { json, page, personal } = variantsFor(origin)
      if (own["content-type"]?.startsWith("text/html") === true) return page
      // Streams set their own Cache-Control.
      return isOpen(path) || own["cache-control"] !== undefined ? json : personal
    },
    allows: (origin: string) => withCors.has(origin),
  }
}

/** Headers that describe the rate limit that counted the request. `now` is in Unix ms. */
export const limitHeaders = (
  { name, rate: { limit, seconds }, decision: { remaining, reset_after } }: AppliedLimit,
  now: number,
): HeaderSet => ({
  "x-ratelimit-limit": String(limit),
  "x-ratelimit-remaining": String(remaining),
  "x-ratelimit-reset": String(Math.ceil((now + reset_after) / 1000)),
  ratelimit: `"${name}";r=${remaining};t=${Math.ceil(reset_after / 1000)}`,
  "ratelimit-policy": `"${name}";q=${limit};w=${seconds}`,
})

const variants = (common: HeaderSet) => ({
  json: { ...common, "content-security-policy": jsonPolicy },
  personal: { ...common, "content-security-policy": jsonPolicy, "cache-control": "no-store" },
  page: { ...common, "content-security-policy": pagePolicy },
})

/** The headers of a response to a preflight of a path with these methods. */
export const preflightHeaders = (methods: ReadonlyArray<string>): HeaderSet => ({
  "access-control-allow-methods": methods.join(", "),
  // Effect clients send b3 along with traceparent.
  "access-control-allow-headers":
    "Authorization, Content-Type, Idempotency-Key, X-Request-ID, traceparent, b3",
  "access-control-max-age": "600",
})
