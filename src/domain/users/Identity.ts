import { maxLength } from "../Bounds.ts"
import { isEmailAddress } from "../Email.ts"
import { hasMoreCodePoints } from "../Fields.ts"
import { isHttps, type UserId } from "./User.ts"

/** The signer of a token: the configured provider, or Plinth itself (`token mint`). */
export type AuthProvider = "supabase" | "clerk" | "custom" | "plinth"

/** The purpose of a token that Plinth signed. Only `access` is accepted by the API. */
export type Purpose = "access"

/**
 * The claims of a verified token. `role` is used only for a new user. Times are Unix seconds. Profile claims that
 * cannot be stored are null, as if they were missing.
 */
export interface Identity {
  readonly sub: UserId
  readonly email: string | null
  readonly full_name: string | null
  readonly avatar_url: string | null
  readonly role: "user" | "admin"
  readonly issued_at: number | null
  readonly expires_at: number
  readonly provider: AuthProvider
  readonly purpose: Purpose
}

export type Claims = Readonly<Record<string, unknown>>

/**
 * Reads the profile from the claims that providers use. Users can write `user_metadata` themselves, so it may supply a
 * name and a picture, but never an e-mail: that would let them claim somebody else's address.
 */
export const profileOf = (claims: Claims): Pick<Identity, "email" | "full_name" | "avatar_url"> => {
  const user = objectOf(claims["user_metadata"])
  const app = objectOf(claims["app_metadata"])
  return {
    email: isUnverified(claims)
      ? null
      : (emailIn(claims) ?? (isUnverified(app) ? null : emailIn(app))),
    full_name: firstAccepted(
      isName,
      claims["name"],
      claims["full_name"],
      user["full_name"],
      user["name"],
    ),
    avatar_url: firstAccepted(
      isAvatar,
      claims["picture"],
      claims["avatar_url"],
      user["avatar_url"],
      user["picture"],
    ),
  }
}

/**
 * Returns the text at a path of claims, or undefined. A claim whose name is the whole path takes precedence, as in
 * `https://example.com/role`.
 */
export const textAt = (claims: Claims, path: ReadonlyArray<string>): string | undefined => {
  const joined = path.length > 1 ? claims[path.join(".")] : undefined
  if (typeof joined === "string") return joined
  let value: unknown = claims
  for (const name of path) {
    const object = objectOf(value)
    value = Object.hasOwn(object, name) ? object[name] : undefined
  }
  return typeof value === "string" ? value : undefined
}

/** Tests for an explicit false. Some providers write the claim as text. */
const isUnverified = ({ email_verified }: Claims & { readonly email_verified?: unknown }) =>
  email_verified === false ||
  (typeof email_verified === "string" && email_verified.toLowerCase() === "false")

/** Ignores surrounding spaces. Other white space that `trim` removes (line ends, U+FEFF) makes the address invalid. */
const emailIn = ({ email }: Claims & { readonly email?: unknown }) => {
  if (typeof email !== "string") return null
  const text = email.trim()
  return isEmailAddress(text) && email.replaceAll(" ", "") === text ? text : null
}

const noClaims: Claims = Object.freeze({})

const objectOf = (value: unknown): Claims =>
  typeof value === "object" && value !== null ? (value as Claims) : noClaims

const firstAccepted = (
  accept: (text: string) => boolean,
  ...candidates: ReadonlyArray<unknown>
) => {
  for (const candidate of candidates) {
    if (typeof candidate === "string") {
      const text = candidate.trim()
      if (text !== "" && accept(text)) return text
    }
  }
  return null
}

/** PostgreSQL cannot store NUL or a lone surrogate. */
const isStorable = (text: string) => text.isWellFormed() && !text.includes("\0")

/** Tests whether a text can be a user's id, and so the `sub` of a token. */
export const isSubject = (text: string) =>
  text.trim() !== "" && !hasMoreCodePoints(text, maxLength.userId) && isStorable(text)

const isName = (text: string) => !hasMoreCodePoints(text, maxLength.fullName) && isStorable(text)

const isAvatar = (text: string) =>
  text.length <= maxLength.avatarUrl && isStorable(text) && isHttps(text)
