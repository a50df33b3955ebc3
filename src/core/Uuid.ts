import { randomUUID } from "node:crypto"

/**
 * UUIDv7 (RFC 9562 §5.7): now, in ms, then the random bits of a UUIDv4, which node:crypto keeps at hand. Asking for
 * new ones each time costs five times as much.
 */
export const uuidV7 = () => {
  const millis = Math.floor(performance.timeOrigin + performance.now())
  const time = millis.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
