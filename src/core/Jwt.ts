import { isUtf8 } from "node:buffer"
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto"
import type { Claims } from "../domain/Identity.ts"

/** Reading and writing compact JSON Web Tokens. Nothing here trusts what it reads. */

export type Algorithm = "HS256" | "RS256" | "ES256"

/** A token taken apart, its signature not yet looked at. */
export interface Jwt {
  readonly algorithm: Algorithm
  readonly kid: string | null
  readonly claims: Claims
  /** What was signed: `header.payload`. */
  readonly input: string
  readonly signature: string
}

/**
 * RFC 8725 §3.1: the algorithm is one of ours or there is no token. `jwk`, `jku`, `x5u` and `x5c` are not even
 * read; `crit` asks for an extension, and we know none (RFC 7515 §4.1.11).
 */
export const parse = (token: string): Jwt | "malformed" | "algorithm" => {
  if (token.length > maxLength || !compact.test(token)) return "malformed"
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

/** Compared as text, so that only the one canonical spelling of the signature is taken. */
export const isSignedWith = ({ input, signature }: Jwt, key: KeyObject) => {
  const expected = hmac(input, key)
  return (
    signature.length === expected.length &&
    timingSafeEqual(Buffer.from(signature, "latin1"), Buffer.from(expected, "latin1"))
  )
}

/**
 * Base64url has one spelling of some bytes, and lenient decoders take several. The text of a token is no identity all
 * the same: of an ES256 signature (r, s), (r, -s) is another one, which issuers make half of the time.
 */
export const isCanonical = ({ signature }: Jwt) =>
  Buffer.from(signature, "base64url").toString("base64url") === signature

/** An HS256 token. */
export const sign = (claims: Claims, key: KeyObject) => {
  const input = `${header}.${encode(claims)}`
  return `${input}.${hmac(input, key)}`
}

/** More than any provider's token, and far less than Node's limit of 16 KiB for all headers. */
const maxLength = 8192
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const header = encode({ alg: "HS256", typ: "JWT" })

const hmac = (input: string, key: KeyObject) =>
  createHmac("sha256", key).update(input).digest("base64url")

interface Decoded extends Claims {
  readonly alg?: unknown
  readonly kid?: unknown
  readonly crit?: unknown
}

/** A JSON object; undefined for anything else. */
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
