import { createHash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** RFC 9110 §11.1: the scheme is case-insensitive, credentials follow one or more spaces. */
export const bearerOf = (authorization: string | undefined) =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]

/** Whether a text is one of these secrets, in a time that tells nothing of them: all are compared, as hashes. */
export const isOneOf = (secrets: ReadonlyArray<Redacted.Redacted>) => {
  const hashes = secrets.map((secret) => hash(Redacted.value(secret)))
  return (text: string | undefined) => {
    const given = hash(text ?? "")
    return hashes.filter((known) => timingSafeEqual(known, given)).length > 0
  }
}

const hash = (text: string) => createHash("sha256").update(text).digest()
