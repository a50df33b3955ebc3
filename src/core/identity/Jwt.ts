import { isUtf8 } from "node:buffer"
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto"
import type { Claims } from "../../domain/users/Identity.ts"

/** Parses and signs compact JSON Web Tokens. Parsed tokens are not yet verified. */

export type Algorithm = "HS256" | "RS256" | "ES256"

/** A parsed token. Its signature is not yet verified. */
export interface Jwt {
  readonly algorithm: Algorithm
  readonly kid: string | null
  readonly claims: Claims
  /** The signed text: `header.payload`. */
  readonly input: string
  readonly signature: string
}

/**
 * Parses a token. Rejects algorithms other than ours (RFC 8725 §3.1), and `crit`, because no extensions are supported
 * (RFC 7515 §4.1.11). Never reads `jwk`, `jku`, `x5u` or `x5c`.
 */
export const parse = (token: string): Jwt | "malformed" | "algorithm" => {
  if (token.length > maxTokenLength || !compactForm.test(token)) return "malformed"
  const payloadAt = token.indexOf(".") + 1
  const signatureAt = token.lastIndexOf(".") + 1
  const header = decode(token.slice(0, payloadAt - 1))
  const claims = decode(token.slice(payloadAt, signatureAt - 1))
  if (header === undefined || claims === undefined) return "malformed"
  const { alg, kid, crit } = header
  if (crit !== undefined) return "malformed"
  if (alg !== "HS256" && alg !== "RS256" && alg !== "ES256") return "algorithm"
  return {
    algorithm: alg,
    kid: typeof kid === "string" ? kid : null,
    claims,
    input: token.slice(0, signatureAt - 1),
    signature: token.slice(signatureAt),
  }
}

/** Compares the signature as text, so that only its canonical encoding is accepted. */
export const isSignedWith = ({ input, signature }: Jwt, key: KeyObject) => {
  const expected = hmac(input, key)
  return (
    signature.length === expected.length &&
    timingSafeEqual(Buffer.from(signature, "latin1"), Buffer.from(expected, "latin1"))
  )
}

/**
 * Tests that the signature is canonical base64url; lenient decoders accept other encodings of the same bytes. The text
 * of a token still does not identify it: for an ES256 signature (r, s), (r, -s) is valid too, and an issuer may
 * create either.
 */
export const isCanonical = ({ signature }: Jwt) =>
  Buffer.from(signature, "base64url").toString("base64url") === signature

/** Returns an HS256 token. */
export const sign = (claims: Claims, key: KeyObject) => {
  const input = `${header}.${encode(claims)}`
  return `${input}.${hmac(input, key)}`
}

/** Longer than the tokens of any provider, and well below Node's limit of 16 KiB for all headers. */
const maxTokenLength = 8192
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]+$/

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const header = encode({ alg: "HS256", typ: "JWT" })

const hmac = (input: string, key: KeyObject) =>
  createHmac("sha256", key).update(input).digest("base64url")

interface Decoded extends Claims {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly crit?: unknown
}

/** Returns the JSON object of a part, or undefined if it is anything else. */
const decode = (part: string): Decoded | undefined => {
  const bytes = Buffer.from(part, "base64url")
  if (!isUtf8(bytes)) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Decoded)
      : undefined
  } catch {
    return undefined
  }
}
