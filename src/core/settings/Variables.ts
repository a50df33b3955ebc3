import { Config, Redacted, Schema } from "effect"
import { EmailAddress, isEmailAddress } from "../../domain/Email.ts"

/** An invalid variable. The message never contains its value. */
export interface Problem {
  readonly name: string
  readonly message: string
}

/** The decoded values of a part's variables. */
export type ValuesOf<Variables extends () => Readonly<Record<string, Config.Config<unknown>>>> = {
  readonly [Name in keyof ReturnType<Variables>]: Config.Success<ReturnType<Variables>[Name]>
}

export const optional = <A>(config: Config.Config<A>) =>
  config.pipe(
    Config.map((value): A | null => value),
    Config.withDefault(null),
  )

/** Text that must pass a test. `expected` is the whole error message, so that it never contains the value. */
export const checked = (name: string, expected: string, isValid: (value: string) => boolean) =>
  Config.schema(Schema.String.check(Schema.makeFilter((value) => isValid(value) || expected)), name)

export const line = (name: string) =>
  checked(name, "must be one line of text", (value) => !/\p{Cc}/u.test(value))

export const secret = (name: string) => line(name).pipe(Config.map(Redacted.make<string>), optional)

export const literal = <const Words extends ReadonlyArray<string>>(name: string, words: Words) =>
  Config.schema(
    Schema.Literals(words).annotate({ message: `must be one of ${words.join(", ")}` }),
    name,
  )

export const oneOf = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  fallback: Words[number],
) => literal(name, words).pipe(Config.withDefault(fallback))

const trueWords = ["true", "yes", "on", "1"]
const falseWords = ["false", "no", "off", "0"]

export const boolean = (name: string) =>
  checked(name, "must be true or false", (value) =>
    [...trueWords, ...falseWords].includes(value.toLowerCase()),
  ).pipe(Config.map((value) => trueWords.includes(value.toLowerCase())))

export const flag = (name: string, fallback: boolean) =>
  boolean(name).pipe(Config.withDefault(fallback))

export const integer = (name: string, minimum: number, maximum: number, fallback: number) =>
  checked(
    name,
    `must be a whole number from ${minimum} to ${maximum}`,
    (value) => /^\d{1,15}$/.test(value) && Number(value) >= minimum && Number(value) <= maximum,
  ).pipe(Config.map(Number), Config.withDefault(fallback))

export const fraction = (name: string, fallback: number) =>
  checked(
    name,
    "must be a number from 0 to 1",
    (value) => /^\d*\.?\d+$/.test(value) && Number(value) <= 1,
  ).pipe(Config.map(Number), Config.withDefault(fallback))

const isHttp = (value: string) =>
  /^https?:\/\/\S+$/i.test(value) &&
  URL.canParse(value) &&
  // URL accepts a wildcard in a host name, but no such host exists.
  !new URL(value).host.includes("*")

/** A URL without trailing slashes, so that a path can be appended. */
export const url = (name: string) =>
  checked(name, "must be an http:// or https:// URL", isHttp).pipe(
    Config.map((value) => value.replace(/\/+$/, "")),
    optional,
  )

export const emailAddress = (name: string) =>
  checked(name, "must be an e-mail address, like no-reply@example.com", isEmailAddress).pipe(
    Config.map((value) => EmailAddress.make(value)),
    optional,
  )

/** Returns the secrets of a comma-separated list. */
export const secretsIn = (list: Redacted.Redacted): ReadonlyArray<Redacted.Redacted> =>
  Redacted.value(list)
    .split(",")
    .map((key) => key.trim())
    .filter((key) => key !== "")
    .map((key) => Redacted.make(key))

/**
 * Rejects secrets that are short, or guessable in production. A variable that is not set has no secrets (null); an
 * undefined value failed to decode and is already reported.
 */
export const weakSecrets = (
  name: string,
  secrets: ReadonlyArray<Redacted.Redacted> | null | undefined,
  minBytes: number,
  environment: string | undefined,
): ReadonlyArray<Problem> => {
  if (!secrets) return []
  const texts = secrets.map(Redacted.value)
  if (texts.length === 0 || texts.some((text) => Buffer.byteLength(text) < minBytes)) {
    return [{ name, message: `must have at least ${minBytes} bytes` }]
  }
  return environment === "production" && texts.some(isGuessable)
    ? [{ name, message: "must be random in production. Generate one with: openssl rand -hex 32" }]
    : []
}

const wellKnown = /secret|password|change-?_?me|example|^your[-_]|^(?:dev|test|local)[-_]/i

/** Tests for common words, few distinct characters, or one repeated part. Random text has none of them. */
const isGuessable = (secret: string) => {
  const periods = Array.from({ length: Math.floor(secret.length / 2) }, (_, at) => at + 1)
  return (
    wellKnown.test(secret) ||
    new Set(secret).size < 8 ||
    periods.some((period) => secret.startsWith(secret.slice(period)))
  )
}
