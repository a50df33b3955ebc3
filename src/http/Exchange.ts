import type { LimitDecision } from "../core/shared/RateLimiter.ts"
import type { RequestSpan } from "../core/telemetry/Tracing.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { Rate } from "../domain/Rate.ts"
import type { RequestInfo } from "../domain/RequestInfo.ts"
import type { UserId } from "../domain/users/User.ts"
import { clientAddress } from "./ClientAddress.ts"
import type { LimitName } from "./Policies.ts"

/** The `endpoint` label of requests that match no route. */
export const unmatched = "unmatched"

/** Routes of probes and scrapes, which are neither logged nor counted. */
export const unloggedRoutes = new Set([
  "/api/v1/public/health",
  "/api/v1/public/health/ready",
  "/api/v1/public/metrics",
  // Routes of the worker:
  "/health",
  "/health/ready",
  "/metrics",
])

export const openApiPath = "/api/v1/openapi.json"
export const docsPath = "/docs"

const openPaths = new Set([...unloggedRoutes, openApiPath, docsPath])

/** Returns whether a path answers everyone alike, without a token. Responses on other paths are never cached. */
export const isOpen = (path: string) => path.startsWith("/api/v1/public/") || openPaths.has(path)

const knownMethods = new Set(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"])

/** The limit that counted a request, and its decision. */
export interface AppliedLimit {
  readonly name: LimitName
  readonly rate: Rate
  readonly decision: LimitDecision
}

/** The part of a request that an exchange is made from. */
export interface RequestHead {
  readonly method: string
  /** The target without scheme and host. */
  readonly url: string
  /** The names are in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

interface Options {
  readonly trustedProxies: number
  /** The address of the peer; undefined if it has disconnected. */
  readonly remoteAddress: string | undefined
}

/**
 * One request and what is learned about it while it is handled. Created at the edge; read by logs, audit and metrics.
 * A mutable class for speed, because every request creates one.
 */
export class Exchange implements RequestInfo {
  readonly request_id: string
  readonly ip_address: string
  /** By `performance.now()`. */
  readonly startedAtMs = performance.now()
  readonly method: string
  /** The path up to the first `?`, `;` or `#`, since the rest may hold tokens. `*` when the target is not a path. */
  readonly path: string
  /**
   * False if the router must not match the path. The router ends a path at `;` and `#` as at `?`, so it would serve
   * `/projects;token=…` as `/projects`. In RFC 3986 §3.3 a `;` belongs to the path, and no route contains one.
   */
  readonly isRoutable: boolean
  readonly origin: string | undefined
  endpoint = unmatched
  span: RequestSpan | undefined = undefined
  user_id: UserId | null = null
  caller: string | null = null
  limit: AppliedLimit | undefined = undefined

  constructor({ headers, method, url }: RequestHead, { remoteAddress, trustedProxies }: Options) {
    this.request_id = requestId(headers["x-request-id"])
    const sender = { forwardedFor: headers["x-forwarded-for"], remoteAddress }
    this.ip_address = clientAddress(sender, trustedProxies)
    this.method = knownMethods.has(method) ? method : "OTHER"
    const end = url.search(/[?;#]/)
    this.path = pathOf(url, end)
    this.isRoutable = end === -1 || url[end] === "?"
    this.origin = headers["origin"]
  }
}

/** Absolute targets that the platform does not parse become `*`: they may hold a password. */
const pathOf = (url: string, end: number) => {
  if (!url.startsWith("/")) return "*"
  return end === -1 ? url : url.slice(0, end)
}

/** Returns the client's own id if it is well-formed, otherwise a new one. */
export const requestId = (clientId: string | undefined) =>
  clientId !== undefined && /^[A-Za-z0-9._-]{1,128}$/.test(clientId) ? clientId : uuidV7()

/** Turns `/api/v1/app/projects/:project_id` into the label `/api/v1/app/projects/{id}`. */
export const endpointLabel = (path: string) =>
  path.replaceAll(/:[A-Za-z_]+/g, "{id}").replace(/(.)\/$/, "$1")
