import { PgTypes } from "@effect/sql-pg"
import { DateTime, Result } from "effect"
import { rfc3339 } from "../../../domain/Rfc3339.ts"

/** Decodes PostgreSQL types to the plain data that SQLite returns: RFC 3339 text with milliseconds, and numbers. */
export const types = () => {
  const registry = PgTypes.makeRegistry()
  registry.register(PgTypes.OID.timestamptz, timestampText, { arrayOid: 1185 })
  registry.register(PgTypes.OID.int8, int8Number, { arrayOid: 1016 })
  return registry
}

/** 2000-01-01 UTC in Unix ms. A timestamptz is 8 bytes: microseconds since then. */
const epoch = 946_684_800_000

const timestampText: PgTypes.Codec<string> = {
  encode: (value) =>
    Result.succeed(
      int8(BigInt(DateTime.toEpochMillis(DateTime.makeUnsafe(value)) - epoch) * 1000n),
    ),
  decode: (bytes) => Result.succeed(rfc3339(readThousands(bytes) + epoch)),
}

/** Every stored integer is a count or a size, so 2^53 is enough. */
const int8Number: PgTypes.Codec<number | bigint> = {
  encode: (value) => Result.succeed(int8(BigInt(value))),
  decode: (bytes) => Result.succeed(readInt8(bytes)),
}

const int8 = (value: bigint) => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, value)
  return bytes
}

/** Reads two 32-bit halves: a BigInt per value would cost more than the row. */
const readInt8 = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getInt32(0) * 0x1_0000_0000 + view.getUint32(4)
}

/**
 * Returns the integer divided by 1000, rounded down. Computed from 32-bit halves, because it may exceed 2^53: 2^32 =
 * 4,294,967 · 1000 + 296.
 */
const readThousands = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const high = view.getInt32(0)
  return high * 4_294_967 + Math.floor((high * 296 + view.getUint32(4)) / 1000)
}
