import { hash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** Returns the bearer token. The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 §11.1). */
export const bearerOf = (authorization: string | undefined) =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]

/**
 * Returns a function that tests whether a text equals one of the secrets, in constant time: it compares all digests.
 * A secret that was sent once is found in a set; sets compare randomly seeded hashes, of which time tells nothing.
 */
export const isOneOf = (secrets: ReadonlyArray<Redacted.Redacted>) => {
  const digests = secrets.map((secret) => digest(Redacted.value(secret)))
  const sentSecrets = new Set<string>()
  return (text = "") => {
    if (sentSecrets.has(text)) return true
    const actual = digest(text)
    const isSecret = digests.filter((expected) => timingSafeEqual(expected, actual)).length > 0
    if (isSecret) sentSecrets.add(text)
    return isSecret
  }
}

const digest = (text: string) => hash("sha256", text, "buffer")
