import { PgTypes } from "@effect/sql-pg"
import { DateTime, Result } from "effect"

/** PostgreSQL's own types as the plain data that SQLite gives: RFC 3339 text with milliseconds, and numbers. */
export const types = () => {
  const registry = PgTypes.makeRegistry()
  registry.register(PgTypes.OID.timestamptz, timestampText, { arrayOid: 1185 })
  registry.register(PgTypes.OID.int8, int8Number, { arrayOid: 1016 })
  return registry
}

/** timestamptz is microseconds since 2000-01-01 UTC in 8 bytes. */
const epoch = 946_684_800_000

const timestampText: PgTypes.Codec<string> = {
  encode: (value) => Result.succeed(int8(BigInt(Date.parse(value) - epoch) * 1000n)),
  decode: (bytes) => Result.succeed(toText(Number(readInt8(bytes) / 1000n) + epoch)),
}

const toText = (millis: number) => DateTime.formatIso(DateTime.makeUnsafe(millis))

/** Every integer we store is a count or a size, so that 2^53 is enough. */
const int8Number: PgTypes.Codec<number | bigint> = {
  encode: (value) => Result.succeed(int8(BigInt(value))),
  decode: (bytes) => Result.succeed(Number(readInt8(bytes))),
}

const int8 = (value: bigint) => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, value)
  return bytes
}

const readInt8 = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigInt64(0)
