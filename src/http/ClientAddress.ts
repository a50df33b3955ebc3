import { isIP } from "node:net"

interface Sender {
  readonly forwardedFor: string | undefined
  /** The address of the peer; undefined if it has disconnected. */
  readonly remoteAddress: string | undefined
}

/**
 * The client address that our outermost proxy saw. Each of the `trustedProxies` appends one entry to X-Forwarded-For,
 * so the client is that many entries from the right. Any entry left of it can be forged.
 */
export const clientAddress = ({ forwardedFor, remoteAddress }: Sender, trustedProxies: number) => {
  if (trustedProxies > 0 && forwardedFor !== undefined) {
    const entries = forwardedFor.split(",")
    const entry = entries[Math.max(0, entries.length - trustedProxies)]?.trim() ?? ""
    const address = withoutPort(entry)
    if (isIP(address) !== 0) return address
  }
  return remoteAddress ?? "unknown"
}

/** Some proxies append the client port, which differs for each connection. */
const withoutPort = (entry: string) =>
  /^(?:([\d.]+)|\[([^\]]+)\])(?::\d+)?$/.exec(entry)?.slice(1).join("") ?? entry
