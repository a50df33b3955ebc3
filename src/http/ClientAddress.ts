import { isIP } from "node:net"
import type { HttpServerRequest } from "effect/http"

/**
 * The client address that our outermost proxy saw. Each of the `trustedProxies` appends one entry to X-Forwarded-For,
 * so the client is that many entries from the right. Any entry left of it can be forged.
 */
export const clientAddress = (
  request: HttpServerRequest.HttpServerRequest,
  trustedProxies: number,
) => {
  const forwarded = trustedProxies > 0 ? request.headers["x-forwarded-for"] : undefined
  if (forwarded !== undefined) {
    const entries = forwarded.split(",")
    const entry = entries[Math.max(0, entries.length - trustedProxies)]?.trim() ?? ""
    const address = withoutPort(entry)
    if (isIP(address) !== 0) return address
  }
  return request.remoteAddress._tag === "Some" ? request.remoteAddress.value : "unknown"
}

/** Some proxies append the client port, which differs for each connection. */
const withoutPort = (entry: string) =>
  /^(?:([\d.]+)|\[([^\]]+)\])(?::\d+)?$/.exec(entry)?.slice(1).join("") ?? entry
