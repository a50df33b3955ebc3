import { isIP } from "node:net"
import type { HttpServerRequest } from "effect/http"

/**
 * The address that the outermost of our proxies saw: each of the `trustedProxies` appended one entry to
 * X-Forwarded-For, so the client is that many from the right. What stands left of it, anybody may have written.
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

/** Some proxies append the port of the connection, which is another one for each. */
const withoutPort = (entry: string) =>
  /^(?:([\d.]+)|\[([^\]]+)\])(?::\d+)?$/.exec(entry)?.slice(1).join("") ?? entry
