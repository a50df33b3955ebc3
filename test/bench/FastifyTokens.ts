// @effect-diagnostics globalDate:off -- the baseline is plain code
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"

export interface Identity {
  readonly sub: string
  readonly issued_at: number
  readonly expires_at: number
}

/**
 * Returns the verification of an `Authorization` header. It remembers the last `size` headers whose
 * token was valid, and then judges only their expiry: the other rules cannot change.
 */
export const makeVerify = (secret: string, size: number) => {
  const key = createSecretKey(secret, "utf8")
  const memory = new Map<string, Identity>()
  return (authorization: string | undefined) => {
    if (authorization === undefined) return
    const known = size === 0 ? undefined : memory.get(authorization)
    if (known !== undefined) return known.expires_at > Date.now() / 1000 ? known : undefined
    const identity = verify(authorization, key)
    if (identity === undefined || size === 0) return identity
    if (memory.size >= size) {
      for (const oldest of memory.keys()) {
        memory.delete(oldest)
        break
      }
    }
    memory.set(authorization, identity)
    return identity
  }
}

const decode = (part: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString())
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const isTime = (value: unknown): value is number => typeof value === "number" && value >= 0

/** Applies the rules of Plinth's `Tokens.verify` for its own issuer. */
const verify = (authorization: string, key: KeyObject): Identity | undefined => {
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > 8192 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return
  const payloadAt = token.indexOf(".") + 1
  const signatureAt = token.lastIndexOf(".") + 1
  const header = decode(token.slice(0, payloadAt - 1))
  const claims = decode(token.slice(payloadAt, signatureAt - 1))
  if (header?.["alg"] !== "HS256" || header["crit"] !== undefined || claims === undefined) return
  const expected = createHmac("sha256", key)
    .update(token.slice(0, signatureAt - 1))
    .digest()
  const signature = Buffer.from(token.slice(signatureAt), "base64url")
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return
  const { iss, exp, nbf, iat, sub, purpose } = claims
  const now = Date.now() / 1000
  if (iss !== "plinth" || !isTime(exp) || exp <= now) return
  if (nbf !== undefined && !(isTime(nbf) && nbf <= now + 5)) return
  if (iat !== undefined && !(isTime(iat) && iat <= now + 5)) return
  if (purpose !== "access" || typeof sub !== "string" || sub === "" || sub.length > 255) return
  return { sub, issued_at: iat ?? 0, expires_at: exp }
}
