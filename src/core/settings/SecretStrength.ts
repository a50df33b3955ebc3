import { Redacted } from "effect"
import type { Problem } from "./Variables.ts"

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
