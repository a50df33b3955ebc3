import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { inBatches, RowsFailed } from "../../../src/core/sql/InBatches.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"

/** A table of numbered rows; a batch fails as a whole if it contains a row of `dying`. */
const tableOf = (size: number, dying: ReadonlySet<number>) => {
  let rows = Array.from({ length: size }, (_, row) => row)
  let statements = 0
  return {
    work: ({ limit, skip }: { readonly limit: number; readonly skip: number }) =>
      Effect.suspend(() => {
        statements += 1
        const batch = new Set(rows.slice(skip, skip + limit))
        if ([...batch].some((row) => dying.has(row))) return Effect.die(new Error("held"))
        rows = rows.filter((row) => !batch.has(row))
        return Effect.succeed(batch.size)
      }),
    remaining: () => rows,
    statements: () => statements,
  }
}

describe("inBatches", () => {
  it.effect.prop(
    "processes every row except those that fail, in few statements",
    {
      size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 })),
      dying: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 }))),
    },
    ({ dying, size }) =>
      Effect.gen(function* () {
        const failing = [...new Set(dying)].filter((row) => row < size).toSorted((a, b) => a - b)
        const table = tableOf(size, new Set(failing))
        const result = yield* Effect.result(inBatches(table.work))
        assert.deepStrictEqual(table.remaining(), failing)
        assert.isAtMost(table.statements(), 12 + size / 500 + failing.length * 36)
        if (failing.length === 0) assert.deepInclude(result, { _tag: "Success", success: size })
        else assert.deepInclude(result, { _tag: "Failure" })
        if (result._tag === "Failure") {
          assert.instanceOf(result.failure, RowsFailed)
          assert.deepInclude(result.failure, {
            done: size - failing.length,
            failed: failing.length,
          })
        }
      }),
  )

  it.effect("stops after 1,000 failed rows and reports it", () =>
    Effect.gen(function* () {
      const every = new Set(Array.from({ length: 5000 }, (_, row) => row))
      const table = tableOf(5000, every)
      const error = yield* Effect.flip(inBatches(table.work))
      assert.strictEqual(error.message, "1000 rows failed, 0 done, stopped early")
      assert.isBelow(table.statements(), 1020)
    }),
  )

  it.effect("propagates a wrong statement without blaming a row", () =>
    Effect.gen(function* () {
      let statements = 0
      const wrong = Effect.suspend(() => {
        statements += 1
        return Effect.die(new Error("no such table"))
      })
      const exit = yield* Effect.exit(inBatches(() => wrong))
      assert.deepStrictEqual(exit, Exit.die(new Error("no such table")))
      // Tries batches of 500, then halves down to 1, and finally an empty one.
      assert.strictEqual(statements, 11)
    }),
  )

  it.effect("stops immediately when the database is unreachable", () =>
    Effect.gen(function* () {
      let statements = 0
      const unreachable = Effect.suspend(() => {
        statements += 1
        return Effect.fail(new ServiceUnavailableError({ service: "database" }))
      })
      const error = yield* Effect.flip(inBatches(() => unreachable))
      assert.strictEqual(error._tag, "ServiceUnavailableError")
      assert.strictEqual(statements, 1)
    }),
  )
})
