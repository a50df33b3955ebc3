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
    "a number that no number of JavaScript is",
    { answers: { a: [Number("-1e400")] } },
    "answers: must not have a number beyond 64 bits",
  ],
  ["a level too many", { answers: deep(5) }, tooDeep],
  ["levels without end", { answers: deep(50_000) }, tooDeep],
  ["characters that are too many bytes", { answers: { a: "ü".repeat(197) } }, tooLarge],
  ["escapes that are too many bytes", { answers: { a: "\u0001".repeat(66) } }, tooLarge],
  ["values that are too many bytes", { answers: { a: Array.makeBy(100_000, () => 0) } }, tooLarge],
  ["JSON that is a list", { answers: [] }, "answers: Expected object | null"],
  ["JSON that is a text", { answers: "{}" }, "answers: Expected object | null"],
  ["a list that is none", { labels: "a" }, "labels: Expected array"],
  ["no list", { labels: null }, "labels: Expected array"],
  ["a list that is too long, once", { labels: ["a", " ", 7, "\0"] }, tooMany],
  ["a list that is far too long", { labels: Array.makeBy(340_000, () => 0) }, tooMany],
  [
    "texts of a list, each",
    { labels: ["\ud800", " ", 7] },
    "labels.0: must be well-formed Unicode",
    "labels.1: must not be blank",
    "labels.2: Expected string",
  ],
]

describe("Input of JSON and of lists", () => {
  it.effect.each(refused)("is refused: %s", ([, input, ...issues]) =>
    Effect.map(Effect.flip(decode(input)), ({ issue }) => {
      assert.deepStrictEqual(
        Issues.of(issue).reported.map(({ message, path }) => `${path}: ${message}`),
        issues,
      )
    }),
  )

  it.effect("is taken up to its bounds, trimmed, and left out", () =>
    Effect.gen(function* () {
      const most = { a: "ü".repeat(196) }
      assert.deepStrictEqual((yield* decode({ answers: most })).answers, most)
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

  it("is documented with its bounds", () => {
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
