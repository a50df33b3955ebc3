import { Console, Data, Effect, Schema } from "effect"
import { Flag } from "effect/cli"

/** The command could not do what it was asked. Exit code 1; the message is one line for each thing that is wrong. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
}> {}

/** Goes on until it is told to stop, which is its end and no failure: exit code 0. */
export const untilStopped = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    process.exitCode = 0
    return self
  })

/** The exit code of a command that a signal ended before it was done, as shells tell it. */
export const codeOfStop = (signal: number) =>
  typeof process.exitCode === "number" ? process.exitCode : 128 + signal

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
export const print = <S extends Schema.Codec<unknown, unknown>>(
  asJson: boolean,
  result: S,
  value: S["Type"],
  formatForPeople: (value: S["Encoded"]) => string,
) => {
  const encoded = Schema.encodeSync(result)(value)
  return Console.log(asJson ? JSON.stringify(encoded, null, 2) : formatForPeople(encoded))
}

/** On one line, without what a terminal would obey: users choose their names. */
export const plain = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
