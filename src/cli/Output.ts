import { Console, Data, Effect } from "effect"
import { Flag, Prompt } from "effect/cli"

/** The command could not do what it was asked. Exit code 1. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
}> {}

/** The command was not given what it needs. Exit code 2. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/** `--json`: the result for machines. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON, in the shapes of the REST API"),
  Flag.withDefault(false),
)

/** `--yes`: do not ask before something that cannot be taken back. */
export const yes = Flag.Boolean("yes").pipe(
  Flag.withDescription("Do not ask for confirmation"),
  Flag.withDefault(false),
)

/** The flags that take no value. */
export const switches = ["--json", "--yes", "--active", "--inactive"]

/** The result of a command, on stdout: JSON, or what `people` makes of it. */
export const print = <A>(asJson: boolean, value: A, people: (value: A) => string) =>
  Console.log(asJson ? JSON.stringify(value, null, 2) : people(value))

/** Rows under their column names, aligned. */
export const table = (
  columns: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string | number | boolean | null>>,
) => {
  const cells = [columns, ...rows.map((row) => row.map((cell) => String(cell ?? "-")))]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

/** Names and values of one thing, aligned. */
export const list = (value: Readonly<Record<string, unknown>>) => {
  const width = Math.max(...Object.keys(value).map((name) => name.length))
  return Object.entries(value)
    .map(([name, part]) => `${name.padEnd(width)}  ${String(part ?? "-")}`)
    .join("\n")
}

/** Goes on when `--yes` was given or a person at the terminal agrees. */
export const confirm = Effect.fnUntraced(function* (given: boolean, question: string) {
  if (given) return
  if (!process.stdin.isTTY) {
    return yield* new UsageError({ message: `${question} Needs --yes where nobody can be asked.` })
  }
  const agreed = yield* Prompt.run(Prompt.Confirm({ message: question }))
  if (!agreed) return yield* new CommandFailed({ message: "Nothing was changed" })
})
