import { hash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** Returns the bearer token. The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 §11.1). */
export const bearerOf = (authorization: string | undefined) =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]

/**
 * Returns a function that tests whether a text equals one of the secrets, in constant time: it compares all digests.
 */
export const isOneOf = (secrets: ReadonlyArray<Redacted.Redacted>) => {
  const digests = secrets.map((secret) => digest(Redacted.value(secret)))
  return (text: string | undefined) => {
    const actual = digest(text ?? "")
    return digests.filter((expected) => timingSafeEqual(expected, actual)).length > 0
  }
}

const digest = (text: string) => hash("sha256", text, "buffer")
