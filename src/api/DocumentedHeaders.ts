/** Headers of answers, as the OpenAPI document tells them. */
export const headers = {
  "X-Request-ID": {
    description: "The id of the request: the client's own when well formed, else made here.",
    schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,128}$" },
  },
  "X-API-Version": { description: "The version that answered.", schema: { type: "string" } },
  "X-API-Latest-Version": { description: "The newest version.", schema: { type: "string" } },
  "Cache-Control": {
    description: "`no-store`: the answer is for its caller alone. Of a stream `no-cache`.",
    schema: { type: "string", enum: ["no-store", "no-cache"] },
  },
  "WWW-Authenticate": { description: "Always `Bearer`.", schema: { type: "string" } },
  "Idempotency-Replayed": {
    description: "`true` on an answer that was given before to the same Idempotency-Key.",
    schema: { type: "string", enum: ["true"] },
  },
  "X-RateLimit-Limit": {
    description: "Calls that the limit allows at once.",
    schema: { type: "integer" },
  },
  "X-RateLimit-Remaining": {
    description: "Calls that would be allowed now.",
    schema: { type: "integer" },
  },
  "X-RateLimit-Reset": {
    description: "Unix seconds at which all of them are allowed again.",
    schema: { type: "integer" },
  },
  RateLimit: {
    description: 'The same as a structured field: `"default";r=59;t=1`.',
    schema: { type: "string" },
  },
  "RateLimit-Policy": {
    description: 'The limit: `"default";q=60;w=60`, calls and seconds.',
    schema: { type: "string" },
  },
  "Retry-After": {
    description: "Seconds after which a retry makes sense, when known.",
    schema: { type: "integer" },
  },
}

/** Of answers that a limit counted. */
export const limitHeaders = Object.keys(headers).filter((name) => /ratelimit/i.test(name))
