import { Console, Data, Effect, Schema } from "effect"
import { Flag } from "effect/cli"
import type { DefaultedRange } from "../domain/Bounds.ts"

/** The failure of a command: exit code 1. `message` has one line for each problem. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
}> {}

/** Runs a command that ends by a signal. That is its normal end: exit code 0. */
export const untilStopped = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    process.exitCode = 0
    return self
  })

/** Returns the exit code after a signal: 128 plus its number, as in shells, unless the command has set another. */
export const signalExitCode = (signal: number) =>
  typeof process.exitCode === "number" ? process.exitCode : 128 + signal

/** A flag without a value. A plain `Flag.Boolean` takes a following `1` or `yes` as its value; this one does not. */
export const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(
    Flag.withOptionalValue("true"),
    Flag.withoutNegation,
    Flag.withDescription(description),
    Flag.withDefault(false),
  )

/** A flag with an integer value. The help shows `description`, the range and the default. */
export const integerFlag = (name: string, description: string, range: DefaultedRange) => {
  const { default: fallback, maximum, minimum } = range
  const expected =
    maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `${minimum} to ${maximum}`
  return Flag.Int(name).pipe(
    Flag.withDescription(`${description}, ${expected}. Default ${fallback}`),
    Flag.filter(
      (value) => value >= minimum && value <= maximum,
      () => expected,
    ),
    Flag.withDefault(fallback),
  )
}

/** Describes a text that must not be blank, for an error message. */
export const expectedText = (max: number) => `1 to ${max} characters, not all blank`

export const json = flag("json", "Print JSON for programs, in the shapes of the REST API")

/** Prints the result of a command on stdout, as JSON or formatted for people. */
export const print = <S extends Schema.Codec<unknown, unknown>>(
  asJson: boolean,
  result: S,
  value: S["Type"],
  formatForPeople: (value: S["Encoded"]) => string,
) => {
  const encoded = Schema.encodeSync(result)(value)
  return Console.log(asJson ? JSON.stringify(encoded, null, 2) : formatForPeople(encoded))
}

/** Escapes control characters and line breaks, because users choose their names. */
export const printable = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
