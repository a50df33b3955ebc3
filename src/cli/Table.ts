import stringWidth from "string-width"
import { plain } from "./Output.ts"
import { type Style, styled } from "./Style.ts"

type Cell = string | number | boolean | null

/** Rows under their column names, aligned; on a terminal, within its width. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
): string =>
  tableWithin(process.stdout.isTTY ? process.stdout.columns || 80 : Infinity, columns, rows)

/**
 * No line is wider than `room`: the widest columns give way, the first one last, and what is cut off has an ellipsis in
 * its place. Where not even that is enough, a block of names and values for each row.
 */
export const tableWithin = (
  room: number,
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
): string => {
  const cells = rows.map((row) => row.map(textOf))
  const widths = fit(
    columns.map((_, at) => maxWidth([columns, ...cells].map((row) => row[at] ?? ""))),
    room,
  )
  if (widths === null) {
    return cells
      .map((row) =>
        pairs(columns, row)
          .map((line) => cut(line, room))
          .join("\n"),
      )
      .join("\n\n")
  }
  const line = (
    row: ReadonlyArray<string>,
    styleAt: (cell: string, at: number) => Style | undefined,
  ) =>
    row
      .map((cell, at) => {
        const text = at === row.length - 1 ? cut(cell, widths[at] ?? 0) : pad(cell, widths[at] ?? 0)
        const style = styleAt(cell, at)
        return style === undefined ? text : styled("stdout", style, text)
      })
      .join("  ")
      .trimEnd()
  return [
    line(columns, () => "bold"),
    ...cells.map((row) => line(row, (cell, at) => styleOf(columns[at] ?? "", cell))),
  ].join("\n")
}

/** Names and values of one thing, aligned. */
export const list = (value: Readonly<Record<string, Cell>>): string =>
  pairs(Object.keys(value), Object.values(value).map(textOf)).join("\n")

const pairs = (names: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
  names.map((name, at) => `${pad(name, maxWidth(names))}  ${values[at] ?? ""}`.trimEnd())

const styles: Readonly<Record<string, Style>> = {
  ok: "green",
  completed: "green",
  warning: "yellow",
  broken: "red",
  failed: "red",
}

const styleOf = (column: string, cell: string) =>
  column === "status" || column === "state" ? styles[cell] : undefined

const textOf = (cell: Cell) => (cell === null ? "-" : plain(String(cell)))

const maxWidth = (texts: ReadonlyArray<string>) =>
  Math.max(...texts.map((text) => stringWidth(text)))

/** A column is not made narrower than this to make room. */
const narrowest = 8

const fit = (wanted: ReadonlyArray<number>, room: number) => {
  const widths = [...wanted]
  for (let excess = sum(widths) + 2 * (widths.length - 1) - room; excess > 0; excess -= 1) {
    const others = widths.slice(1)
    const widest = others.indexOf(Math.max(...others)) + 1
    const at = (widths[widest] ?? 0) > narrowest ? widest : 0
    const width = widths[at] ?? 0
    if (width <= narrowest) return null
    widths[at] = width - 1
  }
  return widths
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, one) => total + one, 0)

const segmenter = new Intl.Segmenter()

/** Of no more than so many columns, with an ellipsis in place of what is cut off. */
export const cut = (text: string, width: number) => {
  if (stringWidth(text) <= width) return text
  let kept = ""
  for (const { segment } of segmenter.segment(text)) {
    if (stringWidth(kept + segment) >= width) break
    kept += segment
  }
  return `${kept}…`
}

const pad = (text: string, width: number) => {
  const shown = cut(text, width)
  return shown + " ".repeat(width - stringWidth(shown))
}
