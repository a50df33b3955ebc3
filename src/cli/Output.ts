import { Console, Data } from "effect"
import { Flag } from "effect/cli"

/** The command could not do what it was asked. Exit code 1; the message is one line for each thing that is wrong. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
}> {}

/** A flag without a value. It never takes the next word for one, as a plain `Flag.Boolean` does with `1` or `yes`. */
export const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(
    Flag.withOptionalValue("true"),
    Flag.withoutNegation,
    Flag.withDescription(description),
    Flag.withDefault(false),
  )

/** `--json`: the result for machines. */
export const json = flag("json", "Print JSON for machines, in the shapes of the REST API")

/** The result of a command, on stdout: JSON, or what `people` makes of it. */
export const print = <A>(asJson: boolean, value: A, people: (value: A) => string) =>
  Console.log(asJson ? JSON.stringify(value, null, 2) : people(value))

type Cell = string | number | boolean | null

/** Rows under their column names, aligned. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
): string => {
  const cells = [columns, ...rows.map((row) => row.map(textOf))]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => width(row[at] ?? ""))))
  return cells
    .map((row) => row.map((cell, at) => pad(cell, widths[at] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n")
}

/** Names and values of one thing, aligned. */
export const list = (value: Readonly<Record<string, Cell>>): string =>
  Object.entries(value)
    .map(([name, cell]) => `${pad(name, longest(Object.keys(value)))}  ${textOf(cell)}`)
    .join("\n")

/** On one line, without what a terminal would obey: users choose their names. */
export const plain = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )

const textOf = (cell: Cell) => (cell === null ? "-" : plain(String(cell)))

const longest = (texts: ReadonlyArray<string>) => Math.max(...texts.map(width))

const width = (text: string) => Array.from(text).length

const pad = (text: string, size: number) => text + " ".repeat(size - width(text))
