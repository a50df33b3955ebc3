import stringWidth from "string-width"
import { printable } from "./Output.ts"
import { type Style, styled } from "./Style.ts"

type Cell = string | number | boolean | null

/** Aligns rows under their column names; on a terminal, within its width. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
): string =>
  tableWithin(process.stdout.isTTY ? process.stdout.columns || 80 : Infinity, columns, rows)

/**
 * Formats a table at most `maxWidth` characters wide. Truncates the widest columns first and the first column
 * last, with an ellipsis. If that is not enough, formats a block of names and values for each row.
 */
export const tableWithin = (
  maxWidth: number,
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
): string => {
  const cells = rows.map((row) => row.map(textOf))
  const widths = fitWidths(
    columns.map((_, index) => widthOf([columns, ...cells].map((row) => row[index] ?? ""))),
    maxWidth,
  )
  if (widths === null) {
    return cells
      .map((row) =>
        alignedPairs(columns, row)
          .map((line) => truncate(line, maxWidth))
          .join("\n"),
      )
      .join("\n\n")
  }
  const line = (
    row: ReadonlyArray<string>,
    styleAt: (cell: string, index: number) => Style | undefined,
  ) =>
    row
      .map((cell, index) => {
        const text =
          index === row.length - 1
            ? truncate(cell, widths[index] ?? 0)
            : pad(cell, widths[index] ?? 0)
        const style = styleAt(cell, index)
        return style === undefined ? text : styled("stdout", style, text)
      })
      .join("  ")
      .trimEnd()
  return [
    line(columns, () => "bold"),
    ...cells.map((row) => line(row, (cell, index) => styleOf(columns[index] ?? "", cell))),
  ].join("\n")
}

/** Formats one value: its fields as aligned names and values. */
export const keyValues = (value: Readonly<Record<string, Cell>>): string =>
  alignedPairs(Object.keys(value), Object.values(value).map(textOf)).join("\n")

const alignedPairs = (names: ReadonlyArray<string>, values: ReadonlyArray<string>) =>
  names.map((name, index) => `${pad(name, widthOf(names))}  ${values[index] ?? ""}`.trimEnd())

const styles: Readonly<Record<string, Style>> = {
  ok: "green",
  completed: "green",
  warning: "yellow",
  broken: "red",
  failed: "red",
}

const styleOf = (column: string, cell: string) =>
  column === "status" || column === "state" ? styles[cell] : undefined

const textOf = (cell: Cell) => (cell === null ? "-" : printable(String(cell)))

const widthOf = (texts: ReadonlyArray<string>) =>
  Math.max(...texts.map((text) => stringWidth(text)))

/** Columns are not truncated below this width. */
const minColumnWidth = 8

const fitWidths = (naturalWidths: ReadonlyArray<number>, maxWidth: number) => {
  const widths = [...naturalWidths]
  for (let excess = sum(widths) + 2 * (widths.length - 1) - maxWidth; excess > 0; excess -= 1) {
    const others = widths.slice(1)
    const widest = others.indexOf(Math.max(...others)) + 1
    const index = (widths[widest] ?? 0) > minColumnWidth ? widest : 0
    const width = widths[index] ?? 0
    if (width <= minColumnWidth) return null
    widths[index] = width - 1
  }
  return widths
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, one) => total + one, 0)

const segmenter = new Intl.Segmenter()

/** Truncates text to `width` characters of the terminal, with an ellipsis. */
export const truncate = (text: string, width: number) => {
  if (stringWidth(text) <= width) return text
  let prefix = ""
  for (const { segment } of segmenter.segment(text)) {
    if (stringWidth(prefix + segment) >= width) break
    prefix += segment
  }
  return `${prefix}…`
}

const pad = (text: string, width: number) => {
  const shown = truncate(text, width)
  return shown + " ".repeat(width - stringWidth(shown))
}
