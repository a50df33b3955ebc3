import { randomUUID } from "node:crypto"
import { Timestamp, timestampOf } from "../domain/Fields.ts"

let last = 0
let count = 0

/**
 * UUIDv7 (RFC 9562 §5.7): ms, then a counter (§6.2, method 1), so that those of one process sort as they were made,
 * then the random bits of a UUIDv4, which node:crypto keeps at hand: asking for new ones costs five times as much.
 */
export const uuidV7 = () => {
  const now = Math.floor(performance.timeOrigin + performance.now())
  if (now > last) {
    last = now
    count = 0
  } else if (count < 0xfff) count += 1
  else {
    last += 1
    count = 0
  }
  const time = last.toString(16).padStart(12, "0")
  const counter = count.toString(16).padStart(3, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}${randomUUID().slice(18)}`
}

/** As we write them: PostgreSQL would take upper case for the same, SQLite would not. */
export const isUuid = (text: string) =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)

/** When a UUIDv7 was made. */
export const timeOf = (uuid: string): Timestamp =>
  timestampOf(Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16))
