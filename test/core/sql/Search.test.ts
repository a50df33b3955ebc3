import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { contains, fold, folded } from "../../../src/core/sql/Search.ts"
import * as TestDatabase from "../../TestDatabase.ts"

const rows: Array.NonEmptyReadonlyArray<string> = [
  "Analytical Engine",
  "STRASSE",
  "Straße",
  "ΌΣΟΣ ΟΔΥΣΣΕΎΣ",
  "όσος οδυσσεύς",
  "Łódź",
  "İstanbul",
  "100%",
  "a_b",
  "back\\slash",
  "ǅungla",
]

/** The rows whose folded text contains the folded search. */
const expected = (search: string) => rows.filter((row) => fold(row).includes(fold(search)))

layer(TestDatabase.layer)("Search", (it) => {
  it.effect("finds a substring without regard to case, as JavaScript folds it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE words (word TEXT, other TEXT)`
      yield* sql`INSERT INTO words ${sql.insert(Array.map(rows, (word) => ({ word, other: null })))}`
      const found = (search: string) =>
        sql<{
          word: string
        }>`SELECT word FROM words WHERE ${contains(sql, ["other", "word"], search)}`

      const searches = [
        ...rows,
        "engine",
        "ENGINE",
        "ss",
        "ß",
        "ς",
        "Σ",
        "ł",
        "%",
        "_",
        "\\",
        "i",
        "",
      ]
      for (const search of searches) {
        const words = (yield* found(search)).map(({ word }) => word)
        assert.sameMembers(words, expected(search), search)
      }
    }),
  )

  it.effect("folds every letter of Unicode 10 as JavaScript does", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const cased = letters().filter((letter) => fold(letter) !== letter)
      yield* sql`CREATE TABLE letters (letter TEXT)`
      yield* Effect.forEach(
        Array.chunksOf(cased, 500),
        (chunk) =>
          sql`INSERT INTO letters ${sql.insert(Array.map(chunk, (letter) => ({ letter })))}`,
      )

      const rows = yield* sql<{ letter: string; folded: string }>`
        SELECT letter, ${folded(sql, "letter")} AS folded FROM letters
      `

      assert.isAbove(rows.length, 1000)
      assert.deepStrictEqual(
        rows.filter(({ letter, folded }) => folded !== fold(letter)),
        [],
      )
    }),
  )
})

/**
 * PostgreSQL folds the letters its ICU knows: version 60 (Unicode 10) in the npm build. Later
 * letters are in these ranges.
 */
const later = /[\u{1c80}-\u{1cbf}\u{2c2f}\u{a7b8}-\u{a7f6}\u{10500}-\u{10fff}\u{16000}-\u{17000}]/u

const letters = () =>
  Array.range(1, 0x1_f000)
    .map((code) => String.fromCodePoint(code))
    .filter((letter) => /^\p{L}$/u.test(letter) && !later.test(letter))
