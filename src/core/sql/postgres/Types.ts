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

/** Reads a value where it is: a view of its bytes would cost more than the value. */
const reading = <A>(read: (bytes: Uint8Array, offset: number) => A) => ({
  read: (bytes: Uint8Array, offset: number) => Result.succeed(read(bytes, offset)),
  decode: (bytes: Uint8Array) => Result.succeed(read(bytes, 0)),
})

const timestampText: PgTypes.Codec<string> = {
  encode: (value) =>
    Result.succeed(
      int8(BigInt(DateTime.toEpochMillis(DateTime.makeUnsafe(value)) - epoch) * 1000n),
    ),
  ...reading((bytes, offset) => rfc3339(readThousands(bytes, offset) + epoch)),
}

/** Every stored integer is a count or a size, so 2^53 is enough. */
const int8Number: PgTypes.Codec<number | bigint> = {
  encode: (value) => Result.succeed(int8(BigInt(value))),
  ...reading((bytes, offset) => readInt8(bytes, offset)),
}

const int8 = (value: bigint) => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, value)
  return bytes
}

/** Reads two 32-bit halves: a BigInt per value would cost more than the row. */
const readInt8 = (bytes: Uint8Array, offset: number) =>
  readInt4(bytes, offset) * 0x1_0000_0000 + (readInt4(bytes, offset + 4) >>> 0)

/**
 * Returns the integer divided by 1000, rounded down. Computed from 32-bit halves, because it may exceed 2^53: 2^32 =
 * 4,294,967 · 1000 + 296.
 */
const readThousands = (bytes: Uint8Array, offset: number) => {
  const high = readInt4(bytes, offset)
  const low = readInt4(bytes, offset + 4) >>> 0
  return high * 4_294_967 + Math.floor((high * 296 + low) / 1000)
}

const readInt4 = (bytes: Uint8Array, offset: number) =>
  ((bytes[offset] ?? 0) << 24) |
  ((bytes[offset + 1] ?? 0) << 16) |
  ((bytes[offset + 2] ?? 0) << 8) |
  (bytes[offset + 3] ?? 0)
