import { isIPv6 } from "node:net"

/** What one client has of addresses: of IPv6 a whole /64, so that it cannot have a limit for each of them. */
export const networkOf = (address: string) => {
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [left = "", right] = address.split("::")
  const head = left.split(":")
  // Between the two colons are as many zeros as are missing.
  const missing = right === undefined ? 0 : 8 - head.length - right.split(":").length
  const groups = [
    ...head,
    ...Array.from({ length: missing }, () => "0"),
    ...(right ?? "").split(":"),
  ]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group || "0", 16).toString(16))
  return `${network.join(":")}::/64`
}
