// @effect-diagnostics globalDate:off -- benchmarks are plain code
import { createHmac } from "node:crypto"

/** Tokens of our own issuer whose login is already recorded. */

export const secret = "a-key-of-the-bench-0123456789-abcdefghij"
/** In Unix seconds. */
export const issuedAt = Date.UTC(2026, 0, 1) / 1000

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const header = encode({ alg: "HS256", typ: "JWT" })

const signedWith = (key: string, sub: string, jti?: string) => {
  const claims = {
    iss: "plinth",
    sub,
    email: `${sub}@example.com`,
    purpose: "access",
    iat: issuedAt,
    exp: Math.floor(Date.now() / 1000) + 86_400,
    jti,
  }
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`
}

export const tokenOf = (sub: string) => signedWith(secret, sub)

const numbered = (key: string, sub: string, count: number) =>
  Array.from({ length: count }, (_, n) => signedWith(key, sub, `bench-${n}`))

/** Returns different tokens of one user. */
export const tokensOf = (sub: string, count: number) => numbered(secret, sub, count)

/** Returns different tokens of one user, each signed with a wrong key. */
export const forgedTokensOf = (sub: string, count: number) =>
  numbered("another-key-0123456789-abcdefghijklmnop", sub, count)
