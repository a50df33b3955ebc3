import { assert, layer } from "@effect/vitest"
import { Cause, DateTime, Effect, Exit, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Model } from "effect/schema"
import { SqlClient } from "effect/sql"
import { type Arbitrary, array, assert as check, asyncProperty, tuple } from "fast-check"
import { columnTypes } from "../../migrations/Dialect.ts"
import * as Repository from "../../src/core/sql/Repository.ts"
import * as Fields from "../../src/domain/Fields.ts"
import { hostileJson, hostileText, jsonObject, label } from "../fixtures/data/JsonGenerators.ts"
import * as TestDatabase from "../TestDatabase.ts"

const bounds = { maxDepth: 4, maxBytes: 400 }

class Survey extends Model.Class<Survey>("Survey")({
  id: Model.GeneratedByApp(Schema.String),
  details: Fields.Json,
  answers: Fields.Nullable(Fields.json({ ...bounds, example: { size: 1 } })),
  labels: Fields.Defaulted(
    Fields.textList({ maxItems: 3, item: Fields.text({ max: 9, example: "a" }), example: ["a"] }),
    [],
  ),
  created_at: Fields.CreatedAt,
  updated_at: Fields.UpdatedAt,
}) {}

const surveys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, json, textList, timestamp } = yield* columnTypes
  yield* sql`
    CREATE TABLE IF NOT EXISTS surveys (
      id ${id} PRIMARY KEY,
      details ${json} NOT NULL,
      answers ${json},
      labels ${textList} NOT NULL,
      created_at ${timestamp} NOT NULL,
      updated_at ${timestamp} NOT NULL
    )
  `
  return yield* Repository.make(Survey, { table: "surveys", resource: "Survey", scope: null })
})

const epoch = Fields.Timestamp.make(DateTime.formatIso(DateTime.makeUnsafe(0)))

const survey = (columns: Partial<typeof Survey.insert.Type>) => ({
  id: SecureRandom.uuidV7Unsafe(),
  details: {},
  answers: null,
  labels: [],
  created_at: epoch,
  updated_at: epoch,
  ...columns,
})

const decode = Schema.decodeUnknownEffect(Survey.jsonCreate)

layer(TestDatabase.layer)("JSON and list columns", (it) => {
  it.effect("return what was written, with keys in the same order on every database", () =>
    Effect.gen(function* () {
      const repo = yield* surveys
      yield* holds(tuple(jsonObject, array(label, { maxLength: 3 })), ([answers, labels]) =>
        Effect.gen(function* () {
          const row = survey({ details: answers, answers, labels })
          const others = labels.toReversed()
          const found = [
            yield* repo.insert(row),
            yield* repo.get(null, row.id),
            yield* repo.update(null, row.id, { answers: null, labels: [] }),
            yield* repo.update(null, row.id, { answers, labels: others }),
            yield* repo.get(null, row.id),
          ]
          const json = inOrder(answers)
          const expected = [
            [json, json, labels],
            [json, json, labels],
            [json, null, []],
            [json, json, others],
            [json, json, others],
          ]
          assert.deepStrictEqual(
            found.map((row) => JSON.stringify([row.details, row.answers, row.labels])),
            expected.map((columns) => JSON.stringify(columns)),
          )
        }),
      )
    }),
  )

  it.effect("accept exactly the valid client input, and the database stores all of it", () =>
    Effect.gen(function* () {
      const repo = yield* surveys
      yield* holds(tuple(hostileJson, array(hostileText, { maxLength: 4 })), ([answers, labels]) =>
        Effect.gen(function* () {
          const input = yield* Effect.result(decode({ details: {}, answers, labels }))
          assert.strictEqual(
            Result.isSuccess(input),
            isStorable(answers) && labels.length <= 3 && labels.every(isLabel),
          )
          if (Result.isSuccess(input)) yield* repo.insert(survey(input.success))
        }),
      )
    }),
  )

  for (const [what, details] of [
    ["NUL in a key", { "a\0": 1 }],
    ["a lone surrogate", { a: ["\udc00"] }],
    ["a number that is not finite", { a: Infinity }],
  ] as const) {
    it.effect(`refuse ${what}, even if the database would accept it`, () =>
      Effect.gen(function* () {
        const repo = yield* surveys
        const exit = yield* Effect.exit(Effect.suspend(() => repo.insert(survey({ details }))))
        assert(Exit.isFailure(exit))
        assert.match(String(Cause.squash(exit.cause)), /^TypeError: A value of a JSON column /)
      }),
    )
  }
})

/** Sorts keys as JSONB does: shorter keys first, then by byte. */
const inOrder = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  const keys = Object.keys(value).toSorted((one, other) => {
    const [a, b] = [Buffer.from(one), Buffer.from(other)]
    return a.length - b.length || a.compare(b)
  })
  return Object.fromEntries(keys.map((key) => [key, inOrder(Reflect.get(value, key))]))
}

const isStorable = (value: object) => {
  const text = JSON.stringify(value)
  return (
    !/\\u(?:0000|d[89a-f])/.test(text) &&
    Buffer.byteLength(text) <= bounds.maxBytes &&
    depthOf(value) <= bounds.maxDepth
  )
}

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
    : 0

const isLabel = (text: string) => text.trim() !== "" && /^[^\0\p{Cs}]+$/u.test(text)

const holds = <A, E>(arbitrary: Arbitrary<A>, property: (value: A) => Effect.Effect<void, E>) =>
  Effect.promise(() =>
    check(
      asyncProperty(arbitrary, (value) => Effect.runPromise(property(value))),
      { numRuns: 100 },
    ),
  )
