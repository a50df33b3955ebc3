import { isIPv6 } from "node:net"

/** Returns the /64 network of an IPv6 address, because one client has a whole /64. Returns IPv4 addresses unchanged. */
export const networkOf = (address: string) => {
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [left = "", right] = address.split("::")
  const head = left.split(":")
  // `::` stands for the missing groups, which are zero.
  const missing = right === undefined ? 0 : 8 - head.length - right.split(":").length
  const groups = [
    ...head,
    ...Array.from({ length: missing }, () => "0"),
    ...(right ?? "").split(":"),
  ]
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group || "0", 16).toString(16))
  return `${network.join(":")}::/64`
}
