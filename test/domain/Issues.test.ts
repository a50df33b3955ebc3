import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, Schema } from "effect"
import { assert as check, integer, property, string } from "fast-check"
import { echo } from "../../src/domain/Echo.ts"
import * as Fields from "../../src/domain/Fields.ts"
import { Issues, limitIssues } from "../../src/domain/Issues.ts"

const bytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2

/** Decodes the input, which must fail, and returns the error. */
const refusalOf = (schema: Schema.Codec<unknown, unknown>, input: unknown) => {
  const result = Schema.decodeUnknownResult(schema)(input, { errors: "all" })
  assert(Result.isFailure(result))
  return Issues.of(result.failure.issue, "body").error
}

const Pair = Schema.Struct({ a: Schema.Int, b: Schema.NullOr(Schema.String) })
const Anything = Schema.Record(Schema.String, Schema.Int)

describe("Issues", () => {
  it("lists the first 100 and counts the others", () => {
    for (const [wrong, more] of [
      [50, undefined],
      [51, 2],
      [900, 1700],
    ] as const) {
      const input = Array.from({ length: wrong }, () => ({}))
      const error = refusalOf(Fields.list(Pair, { max: 1000 }), input)
      assert.strictEqual(error.issues.length, 100)
      assert.strictEqual(error.field, "body.0.a")
      assert.strictEqual(error.more, more)
      const fewer = limitIssues(error, 3)
      assert.deepStrictEqual(fewer.issues, error.issues.slice(0, 3))
      assert.strictEqual(fewer.more, 97 + (more ?? 0))
    }
  })

  it("bounds the length of a path, whatever keys the client sent", () => {
    for (const key of ["k".repeat(1_000_000), "\u0001".repeat(5000), "\ud800".repeat(5000)]) {
      const error = refusalOf(Anything, { [key]: "", short: "" })
      const [first, second] = error.issues
      assert.isAtMost(bytes(first?.path ?? ""), 103)
      assert.deepStrictEqual(second, { path: "body.short", message: "Expected number" })
    }
  })
})

describe("Fields.list", () => {
  let visits = 0
  const Counted = Schema.Struct({
    a: Schema.Int.check(
      Schema.makeFilter(() => {
        visits += 1
        return "is never right"
      }),
    ),
  })

  it("reports a wrong length as one issue, without decoding any item", () => {
    const list = Fields.list(Counted, { min: 1, max: 1000 })
    for (const [length, message] of [
      [0, "must have at least 1 item"],
      [1001, "must have at most 1000 items"],
      [340_000, "must have at most 1000 items"],
    ] as const) {
      const input = Array.from({ length }, () => ({ a: 1 }))
      const { issues, more } = refusalOf(list, input)
      assert.deepStrictEqual(issues, [{ path: "body", message }])
      assert.isUndefined(more)
    }
    assert.strictEqual(visits, 0)
    const full = refusalOf(
      list,
      Array.from({ length: 1000 }, () => ({ a: 1 })),
    )
    assert.strictEqual(full.more, 900)
    assert.strictEqual(visits, 1000)
  })

  it.effect("decodes like an array, and documents its bounds", () =>
    Effect.gen(function* () {
      const list = Fields.list(Schema.FiniteFromString, { min: 1, max: 3 })
      assert.deepStrictEqual(yield* Schema.decodeEffect(list)(["1", "2"]), [1, 2])
      assert.deepStrictEqual(yield* Schema.encodeEffect(list)([1, 2]), ["1", "2"])
      assert.deepInclude(Schema.toJsonSchemaDocument(list).schema, {
        type: "array",
        items: { type: "string" },
        minItems: 1,
        maxItems: 3,
      })
    }),
  )
})

describe("Text", () => {
  it("is echoed within a limit of JSON bytes, and unchanged if it fits", () => {
    check(
      property(string({ unit: "binary" }), integer({ min: 1, max: 40 }), (text, maxBytes) => {
        const repeated = echo(text, maxBytes)
        assert.isAtMost(bytes(repeated), maxBytes + 3)
        const isPlain = text.isWellFormed() && !/\p{Cc}/u.test(text)
        if (isPlain && bytes(text) <= maxBytes) assert.strictEqual(repeated, text)
        if (isPlain && bytes(text) > maxBytes) assert.isTrue(text.startsWith(repeated.slice(0, -1)))
      }),
      { numRuns: 300 },
    )
  })

  it("is measured in code points, without counting when the length is obvious", () => {
    const { input } = Fields.text({ min: 2, max: 4, example: "abc" })
    const decode = Schema.decodeUnknownOption(input)
    const texts = string({ unit: "binary", maxLength: 10 }).filter((text) => !text.includes("\0"))
    check(
      property(texts, (text) => {
        const length = Array.from(text.trim()).length
        assert.strictEqual(Option.isSome(decode(text)), length >= 2 && length <= 4)
      }),
      { numRuns: 300 },
    )
  })
})
