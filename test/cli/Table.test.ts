import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import stringWidth from "string-width"
import { tableWithin } from "../../src/cli/Table.ts"
import { printable } from "../../src/cli/Output.ts"

const cell = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "計算機計算機計算機",
    "👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀",
    "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301",
    "\u001B[31mred",
  ),
)

const tables = fc.integer({ min: 1, max: 6 }).chain((columns) =>
  fc.record({
    columns: fc.array(fc.stringMatching(/^[a-z_]{1,12}$/), {
      minLength: columns,
      maxLength: columns,
    }),
    rows: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 8 }),
  }),
)

describe("A table", () => {
  it("is never wider than the given width", () => {
    fc.assert(
      fc.property(tables, fc.integer({ min: 2, max: 120 }), ({ columns, rows }, width) => {
        for (const line of tableWithin(width, columns, rows).split("\n")) {
          assert.isAtMost(stringWidth(line), width)
        }
      }),
    )
  })

  it("shows each cell completely on one line when there is space, without control characters", () => {
    fc.assert(
      fc.property(tables, ({ columns, rows }) => {
        const [, ...lines] = tableWithin(Infinity, columns, rows).split("\n")
        assert.lengthOf(lines, rows.length)
        for (const [at, row] of rows.entries()) {
          for (const text of row) assert.include(lines[at], printable(text).trim())
        }
      }),
    )
  })

  it("aligns each column with its heading", () => {
    fc.assert(
      fc.property(tables, ({ columns, rows }) => {
        const [, ...lines] = tableWithin(
          Infinity,
          columns,
          rows.map((row) => row.map((_, at) => `<${at}>`)),
        ).split("\n")
        const starts = lines.map((line) => columns.map((_, at) => line.indexOf(`<${at}>`)))
        for (const found of starts) assert.deepStrictEqual(found, starts[0])
      }),
    )
  })
})
