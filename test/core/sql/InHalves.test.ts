import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { inHalves } from "../../../src/core/sql/InHalves.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"

const numbers = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2000 }))

/** A writer of numbers; a write fails as a whole if it contains a number of `dying`. */
const writer = (dying: ReadonlySet<number>) => {
  const written = new Set<number>()
  let statements = 0
  return {
    write: (items: ReadonlyArray<number>) =>
      Effect.suspend(() => {
        statements += 1
        if (items.some((item) => dying.has(item))) return Effect.die(new Error("refused"))
        for (const item of items) written.add(item)
        return Effect.void
      }),
    written,
    statements: () => statements,
  }
}

describe("inHalves", () => {
  it.effect.prop(
    "skips the items that fail and writes all others",
    { size: numbers, dying: Schema.Array(numbers) },
    ({ dying, size }) =>
      Effect.gen(function* () {
        const items = Array.from({ length: size }, (_, item) => item)
        const lost = new Set(dying.filter((item) => item < size))
        const { statements, write, written } = writer(lost)
        const result = yield* inHalves(items, write)
        assert.strictEqual(result.lost, lost.size)
        assert.strictEqual(result.cause === undefined, lost.size === 0)
        assert.deepStrictEqual(
          items.filter((item) => !written.has(item)),
          items.filter((item) => lost.has(item)),
        )
        assert.isAtMost(statements(), 1 + lost.size * 24)
      }),
  )

  it.effect("needs few statements when all items fail", () =>
    Effect.gen(function* () {
      const items = Array.from({ length: 2000 }, (_, item) => item)
      const { statements, write } = writer(new Set(items))
      assert.strictEqual((yield* inHalves(items, write)).lost, 2000)
      assert.isBelow(statements(), 300)
    }),
  )

  it.effect("fails when the database is unreachable, so that the whole batch can be retried", () =>
    Effect.gen(function* () {
      const unreachable = new ServiceUnavailableError({ service: "database" })
      assert.strictEqual(
        yield* Effect.flip(inHalves([1, 2], () => Effect.fail(unreachable))),
        unreachable,
      )
    }),
  )
})
