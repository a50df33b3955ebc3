import type { HttpServerRequest } from "effect/http"
import type { LimitDecision } from "../core/RateLimiter.ts"
import type { RequestSpan } from "../core/Tracing.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { Rate } from "../domain/Rate.ts"
import type { RequestInfo } from "../domain/RequestInfo.ts"
import type { UserId } from "../domain/User.ts"
import { clientAddress } from "./ClientAddress.ts"
import type { LimitName } from "./Policies.ts"

/** The pattern of a request that no route took, as a metric label. */
export const unmatched = "unmatched"

/** Probes and scrapes are neither logged nor counted. */
export const unloggedRoutes = new Set([
  "/api/v1/public/health",
  "/api/v1/public/health/ready",
  "/api/v1/public/metrics",
  // Of the worker.
  "/health",
  "/health/ready",
  "/metrics",
])

export const openApiPath = "/api/v1/openapi.json"
export const docsPath = "/docs"

const open = new Set([...unloggedRoutes, openApiPath, docsPath])

/** Whether everybody gets the same answer, without a token. Of all other paths nothing is kept by any cache. */
export const isOpen = (path: string) => path.startsWith("/api/v1/public/") || open.has(path)

const methods = new Set(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"])

/** The limit that counted the request, and what it said. */
export interface Counted {
  readonly name: LimitName
  readonly rate: Rate
  readonly verdict: LimitDecision
}

/**
 * One request and what becomes known of it on its way: made at the edge, read by logs, audit and metrics. A class,
 * and mutable, because it is on the path of every request.
 */
export class Exchange implements RequestInfo {
  readonly request_id: string
  readonly ip_address: string
  readonly started: number
  readonly method: string
  /** Up to the first `?`, `;` or `#`: what follows may hold tokens. `*` for a target that is no path. */
  readonly path: string
  /**
   * Whether a route may be looked for. The router ends a path at `;` and `#` as at `?`, and would serve
   * `/projects;token=…` as `/projects`; in RFC 3986 §3.3 a `;` is a part of the path, and no route of ours has one.
   */
  readonly isRoutable: boolean
  readonly origin: string | undefined
  endpoint = unmatched
  span: RequestSpan | undefined = undefined
  user_id: UserId | null = null
  caller: string | null = null
  limit: Counted | undefined = undefined

  constructor(
    request: HttpServerRequest.HttpServerRequest,
    options: { readonly trustedProxies: number; readonly started: number },
  ) {
    const { headers, url } = request
    this.request_id = requestId(headers["x-request-id"])
    this.ip_address = clientAddress(request, options.trustedProxies)
    this.started = options.started
    this.method = methods.has(request.method) ? request.method : "OTHER"
    const end = url.search(/[?;#]/)
    this.path = pathOf(url, end)
    this.isRoutable = end === -1 || url[end] === "?"
    this.origin = headers["origin"]
  }
}

/** An absolute target that the platform does not understand may hold a password. */
const pathOf = (url: string, end: number) => {
  if (!url.startsWith("/")) return "*"
  return end === -1 ? url : url.slice(0, end)
}

/** The client's own id when it is well formed, else a new one. */
export const requestId = (given: string | undefined) =>
  given !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : uuidV7()

/** `/api/v1/app/projects/:project_id` as the label `/api/v1/app/projects/{id}`. */
export const endpointLabel = (path: string) =>
  path.replaceAll(/:[A-Za-z_]+/g, "{id}").replace(/(.)\/$/, "$1")
