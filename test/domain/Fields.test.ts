import { assert, describe, it } from "@effect/vitest"
import { Array, Effect, Schema } from "effect"
import { Model } from "effect/schema"
import * as Fields from "../../src/domain/Fields.ts"
import { Issues } from "../../src/domain/Issues.ts"

class Survey extends Model.Class<Survey>("Survey")({
  answers: Fields.Nullable(Fields.json({ maxDepth: 4, maxBytes: 400, example: { size: 1 } })),
  labels: Fields.Defaulted(
    Fields.textList({ maxItems: 3, item: Fields.text({ max: 9, example: "a" }), example: ["a"] }),
    [],
  ),
}) {}

const decode = Schema.decodeUnknownEffect(Survey.jsonCreate, { errors: "all" })

const deep = (levels: number) =>
  Array.makeBy(levels, () => "a").reduce<unknown>((inner, key) => ({ [key]: inner }), 1)

const tooDeep = "answers: must be nested at most 4 levels"
const tooLarge = "answers: must have at most 400 bytes as JSON"
const tooMany = "labels: must have at most 3 items"
const nul = "answers: must not contain NUL"
const noUnicode = "answers: must be well-formed Unicode"

const refused: ReadonlyArray<readonly [what: string, input: object, ...issues: Array<string>]> = [
  ["NUL in a text", { answers: { a: "\0" } }, nul],
  ["NUL in a key", { answers: { a: [{ "\0": 1 }] } }, nul],
  ["a lone surrogate in a key", { answers: { "\ud800": 1 } }, noUnicode],
  ["a lone surrogate in a text", { answers: { a: "\udc00x" } }, noUnicode],
  [
    "a number beyond 64 bits",
    { answers: { a: [Number("-1e400")] } },
    "answers: must not have a number beyond 64 bits",
  ],
  ["one level too many", { answers: deep(5) }, tooDeep],
  ["50,000 levels", { answers: deep(50_000) }, tooDeep],
  ["too many bytes of characters", { answers: { a: "ü".repeat(197) } }, tooLarge],
  ["too many bytes of escapes", { answers: { a: "\u0001".repeat(66) } }, tooLarge],
  ["too many bytes of values", { answers: { a: Array.makeBy(100_000, () => 0) } }, tooLarge],
  ["a list instead of JSON", { answers: [] }, "answers: Expected object | null"],
  ["a text instead of JSON", { answers: "{}" }, "answers: Expected object | null"],
  ["a text instead of a list", { labels: "a" }, "labels: Expected array"],
  ["null instead of a list", { labels: null }, "labels: Expected array"],
  ["a list that is too long, with one issue only", { labels: ["a", " ", 7, "\0"] }, tooMany],
  ["a list that is far too long", { labels: Array.makeBy(340_000, () => 0) }, tooMany],
  [
    "each invalid text of a list",
    { labels: ["\ud800", " ", 7] },
    "labels.0: must be well-formed Unicode",
    "labels.1: must not be blank",
    "labels.2: Expected string",
  ],
]

describe("JSON and list fields", () => {
  it.effect.each(refused)("refuse %s", ([, input, ...issues]) =>
    Effect.map(Effect.flip(decode(input)), ({ issue }) => {
      assert.deepStrictEqual(
        Issues.of(issue).reported.map(({ message, path }) => `${path}: ${message}`),
        issues,
      )
    }),
  )

  it.effect("accept input up to their bounds, trim it, and may be omitted", () =>
    Effect.gen(function* () {
      const largest = { a: "ü".repeat(196) }
      assert.deepStrictEqual((yield* decode({ answers: largest })).answers, largest)
      assert.deepStrictEqual((yield* decode({ answers: deep(4) })).answers, deep(4))
      assert.deepStrictEqual((yield* decode({ labels: [" a", "b\n", "a"] })).labels, [
        "a",
        "b",
        "a",
      ])
      assert.deepStrictEqual(yield* decode({}), { answers: null, labels: [] })
      const { decodeUnknownEffect } = Schema
      assert.deepStrictEqual(yield* decodeUnknownEffect(Survey.jsonUpdate)({}), {})
    }),
  )

  it("document their bounds", () => {
    const { properties } = Schema.toJsonSchemaDocument(Survey.jsonCreate).schema
    assert.deepStrictEqual(properties, {
      answers: {
        anyOf: [
          {
            type: "object",
            description: "At most 400 bytes of JSON, nested at most 4 levels.",
            examples: [{ size: 1 }],
          },
          { type: "null" },
        ],
      },
      labels: {
        type: "array",
        items: { type: "string", examples: ["a"], minLength: 1, maxLength: 9 },
        minItems: 0,
        maxItems: 3,
      },
    })
  })
})
