/** Response headers, as the OpenAPI document describes them. */
export const headers = {
  "X-Request-ID": {
    description:
      "The id of the request: the client's own if well-formed, otherwise a generated one.",
    schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,128}$" },
  },
  "X-API-Version": { description: "The API version that answered.", schema: { type: "string" } },
  "X-API-Latest-Version": { description: "The newest API version.", schema: { type: "string" } },
  "Cache-Control": {
    description:
      "`no-store`, because the response is for its caller only; `no-cache` for a stream.",
    schema: { type: "string", enum: ["no-store", "no-cache"] },
  },
  "WWW-Authenticate": { description: "Always `Bearer`.", schema: { type: "string" } },
  "Idempotency-Replayed": {
    description:
      "`true` when this is the stored response to an earlier request with the same Idempotency-Key.",
    schema: { type: "string", enum: ["true"] },
  },
  "X-RateLimit-Limit": {
    description: "The number of calls that the limit allows in a burst.",
    schema: { type: "integer" },
  },
  "X-RateLimit-Remaining": {
    description: "The number of calls that would be allowed now.",
    schema: { type: "integer" },
  },
  "X-RateLimit-Reset": {
    description:
      "Unix time, in seconds, at which the full burst is available again; on a 429, at which the next call is allowed.",
    schema: { type: "integer" },
  },
  RateLimit: {
    description:
      'The name of the limit, the remaining calls, and the seconds until X-RateLimit-Reset: `"default";r=59;t=1`.',
    schema: { type: "string" },
  },
  "RateLimit-Policy": {
    description:
      'The name of the limit, its calls and their window in seconds: `"default";q=60;w=60`.',
    schema: { type: "string" },
  },
  "Retry-After": {
    description: "The number of seconds to wait before a retry, when known.",
    schema: { type: "integer" },
  },
}

/** Headers of responses to rate-limited requests. */
export const limitHeaders = Object.keys(headers).filter((name) => /ratelimit/i.test(name))
