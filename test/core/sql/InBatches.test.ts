import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { inBatches, RowsFailed } from "../../../src/core/sql/InBatches.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"

/** A table of rows by number, of which some die. A batch with one of them takes none. */
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
    left: () => rows,
    statements: () => statements,
  }
}

describe("inBatches", () => {
  it.effect.prop(
    "works off every row but those that fail, in few statements",
    {
      size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 })),
      dying: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3000 }))),
    },
    ({ dying, size }) =>
      Effect.gen(function* () {
        const held = [...new Set(dying)].filter((row) => row < size).toSorted((a, b) => a - b)
        const table = tableOf(size, new Set(held))
        const result = yield* Effect.result(inBatches(table.work))
        assert.deepStrictEqual(table.left(), held)
        assert.isAtMost(table.statements(), 12 + size / 500 + held.length * 36)
        if (held.length === 0) assert.deepInclude(result, { _tag: "Success", success: size })
        else assert.deepInclude(result, { _tag: "Failure" })
        if (result._tag === "Failure") {
          assert.instanceOf(result.failure, RowsFailed)
          assert.deepInclude(result.failure, { done: size - held.length, failed: held.length })
        }
      }),
  )

  it.effect("gives up when a thousand have failed, and says so", () =>
    Effect.gen(function* () {
      const every = new Set(Array.from({ length: 5000 }, (_, row) => row))
      const table = tableOf(5000, every)
      const error = yield* Effect.flip(inBatches(table.work))
      assert.strictEqual(error.message, "1000 rows failed, 0 done, stopped early")
      assert.isBelow(table.statements(), 1020)
    }),
  )

  it.effect("blames no row for a statement that is wrong, and stops at once", () =>
    Effect.gen(function* () {
      let statements = 0
      const wrong = Effect.suspend(() => {
        statements += 1
        return Effect.die(new Error("no such table"))
      })
      const exit = yield* Effect.exit(inBatches(() => wrong))
      assert.deepStrictEqual(exit, Exit.die(new Error("no such table")))
      // 500, its halves down to 1, and none.
      assert.strictEqual(statements, 11)
    }),
  )

  it.effect("stops at once when the database is away", () =>
    Effect.gen(function* () {
      let statements = 0
      const away = Effect.suspend(() => {
        statements += 1
        return Effect.fail(new ServiceUnavailableError({ service: "database" }))
      })
      const error = yield* Effect.flip(inBatches(() => away))
      assert.strictEqual(error._tag, "ServiceUnavailableError")
      assert.strictEqual(statements, 1)
    }),
  )
})
