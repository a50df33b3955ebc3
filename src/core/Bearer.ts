import { hash, timingSafeEqual } from "node:crypto"
import { Redacted } from "effect"

/** RFC 9110 §11.1: the scheme is case-insensitive, credentials follow one or more spaces. */
export const bearerOf = (authorization: string | undefined) =>
  authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]

/** Whether a text is one of these secrets, in a time that tells nothing of them: all are compared, as digests. */
export const isOneOf = (secrets: ReadonlyArray<Redacted.Redacted>) => {
  const known = secrets.map((secret) => digest(Redacted.value(secret)))
  return (text: string | undefined) => {
    const given = digest(text ?? "")
    return known.filter((one) => timingSafeEqual(one, given)).length > 0
  }
}

const digest = (text: string) => hash("sha256", text, "buffer")
