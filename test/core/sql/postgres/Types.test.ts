import { assert, layer } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as TestDatabase from "../../../TestDatabase.ts"

/** Covers 0001-01-01 to 9999-12-31. */
const millis = Schema.Int.check(
  Schema.isBetween({ minimum: -62_135_596_800_000, maximum: 253_402_300_799_999 }),
)
const size = Schema.Int

layer(TestDatabase.layer)("PostgresTypes", (it) => {
  it.effect.prop("reads every time as RFC 3339 text with milliseconds", [millis], ([millis]) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const text = DateTime.formatIso(DateTime.makeUnsafe(millis))

      const [row] = yield* sql`
        SELECT ${text}::timestamptz AS at, ARRAY[${text}::timestamptz] AS many
      `

      assert.deepStrictEqual({ ...row }, { at: text, many: [text] })
    }),
  )

  it.effect.prop("reads every integer up to 2^53 as a number", [size], ([given]) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // PostgreSQL integers have no minus zero.
      const size = given === 0 ? 0 : given
      const [row] = yield* sql`SELECT ${String(size)}::bigint AS n, ${size}::bigint AS m`

      assert.deepStrictEqual({ ...row }, { n: size, m: size })
    }),
  )
})
