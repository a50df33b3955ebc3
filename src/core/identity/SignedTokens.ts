import type { KeyObject } from "node:crypto"
import type { AuthProvider, Claims, Identity, Purpose } from "../../domain/users/Identity.ts"
import { BoundedMap } from "../BoundedMap.ts"
import type { Jwks } from "./Jwks.ts"
import type { VerificationKey } from "./VerificationKey.ts"

/** An accepted issuer, its keys, and the claims that its tokens must have. */
export interface Issuer {
  readonly provider: AuthProvider
  readonly issuer: string | null
  readonly audience: string | null
  readonly secrets: ReadonlyArray<KeyObject>
  readonly jwks: Jwks | null
  readonly roleClaim: ReadonlyArray<string>
  readonly purpose: Purpose | null
}

/** A token whose signature is right. */
export interface SignedToken {
  readonly claims: Claims
  readonly issuer: Issuer
  /** The public key that verified it. Null: a secret of the settings, which do not change while the process runs. */
  readonly key: VerificationKey | null
  /** Null until the claims have been accepted once. */
  readonly identity: Identity | null
}

/**
 * Remembers tokens whose signature is right: computing it costs more than the rest of a sign-in. Everything that may
 * change is judged at each use: the times and other claims, and whether the issuer still has the key. Tokens with a
 * wrong signature are not remembered, because anyone can send any number of them.
 */
export class SignedTokens {
  private readonly tokens = new BoundedMap<string, SignedToken>(maxSignedTokens)

  get(token: string): SignedToken | undefined {
    const signed = this.tokens.get(token)
    if (signed === undefined || signed.key === null) return signed
    return signed.issuer.jwks?.isCurrent(signed.key) === true ? signed : undefined
  }

  add(token: string, { claims, ...signed }: SignedToken) {
    if (token.length > maxSignedTokenLength) return
    this.tokens.set(token, { ...signed, claims: registeredOf(claims) })
  }
}

/** With their claims, at most 20 MB in all; usual tokens have 300 to 1,000 characters. */
const maxSignedTokens = 10_000
/** Longer tokens are verified at each use. */
const maxSignedTokenLength = 1500

/** Returns the claims that `refusalOf` reads. */
const registeredOf = (claims: Claims): Claims => {
  const { iss, aud, exp, nbf, iat, sub, purpose } = claims as Registered
  return { iss, aud, exp, nbf, iat, sub, purpose } satisfies Registered
}

/** The claims that decide whether a token is accepted. */
export type Registered = Readonly<
  Record<"iss" | "aud" | "exp" | "nbf" | "iat" | "sub" | "purpose", unknown>
>
