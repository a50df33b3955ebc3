import { createSecretKey, type KeyObject } from "node:crypto"
import { Clock, Context, Effect, Exit, Layer, Option, Redacted } from "effect"
import { AuthenticationError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import {
  type AuthProvider,
  type Claims,
  type Identity,
  isSubject,
  profileOf,
  type Purpose,
  textAt,
} from "../../domain/users/Identity.ts"
import { UserId } from "../../domain/users/User.ts"
import type { Jwks } from "./Jwks.ts"
import * as Jwt from "./Jwt.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { Settings } from "../settings/Settings.ts"

/** The reason a token was rejected, for metrics. The caller learns only whether it expired. */
type Refusal =
  | "malformed"
  | "algorithm"
  | "unknown_key"
  | "signature"
  | "issuer"
  | "audience"
  | "expired"
  | "not_yet_valid"
  | "purpose"
  | "claims"

interface TokenRequest {
  readonly sub: UserId
  readonly email?: string
  /** The role of a user created by this token. */
  readonly role?: "user" | "admin"
  /** The lifetime in seconds. */
  readonly expires_in: number
  readonly purpose: Purpose
}

/** Verifies bearer tokens of the configured provider and of our own issuer. Signs tokens of our own issuer. */
export class Tokens extends Context.Service<
  Tokens,
  {
    /** Counts every rejection. Fails with 503 if the provider's keys are needed and unavailable. */
    readonly verify: (
      token: string,
    ) => Effect.Effect<Identity, AuthenticationError | ServiceUnavailableError>
    readonly sign: (request: TokenRequest) => Effect.Effect<Redacted.Redacted>
  }
>()("plinth/core/identity/Tokens") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { auth, secretKeys } = yield* Settings
      const metrics = yield* Metrics
      const signingKey = toKey(secretKeys[0])
      const provider: Issuer = {
        ...auth,
        secrets: auth.secrets.map(toKey),
        jwks: auth.jwksUrl === null ? null : yield* makeJwks(auth.jwksUrl),
        purpose: null,
      }
      const plinth: Issuer = {
        provider: "plinth",
        issuer: ownIssuer,
        audience: null,
        secrets: secretKeys.map(toKey),
        jwks: null,
        roleClaim: ["role"],
        purpose: "access",
      }

      const refuse = (reason: Refusal, issuer = provider) => {
        metrics.authFailure(reason)
        metrics.authEvent("failed", issuer.provider)
        return Exit.fail(
          new AuthenticationError({
            reason: reason === "expired" ? "expired_token" : "invalid_token",
          }),
        )
      }

      const accept = (claims: Claims, issuer: Issuer, now: number) => {
        const refusal = refusalOf(claims, issuer, now)
        return refusal === undefined
          ? Exit.succeed(identityOf(claims, issuer))
          : refuse(refusal, issuer)
      }

      const verifyWithJwks = (jwt: Jwt.Jwt, issuer: Issuer, token: string) => {
        const { algorithm, kid } = jwt
        if (algorithm === "HS256" || issuer.jwks === null) return refuse("algorithm", issuer)
        if (!Jwt.isCanonical(jwt)) return refuse("signature", issuer)
        return issuer.jwks.find(algorithm, kid).pipe(
          Effect.tapError(() =>
            Effect.sync(() => {
              metrics.authFailure("unavailable")
              metrics.authEvent("failed", issuer.provider)
            }),
          ),
          Effect.flatMap((keys) =>
            keys.length === 0
              ? refuse("unknown_key", issuer)
              : Effect.flatMap(
                  Effect.findFirst(keys, (key) => key.hasSigned(token)),
                  (signed) =>
                    Option.isSome(signed)
                      ? Effect.flatMap(nowInSeconds, (now) => accept(jwt.claims, issuer, now))
                      : refuse("signature", issuer),
                ),
          ),
        )
      }

      return Tokens.of({
        // HS256 is verified synchronously: no generator, no promise, no thread pool.
        verify: (token) =>
          Effect.withFiber((fiber) => {
            const jwt = Jwt.parse(token)
            if (typeof jwt === "string") return refuse(jwt)
            const issuer = jwt.claims["iss"] === ownIssuer ? plinth : provider
            if (jwt.algorithm !== "HS256" || issuer.secrets.length === 0) {
              return verifyWithJwks(jwt, issuer, token)
            }
            if (!issuer.secrets.some((key) => Jwt.isSignedWith(jwt, key))) {
              return refuse("signature", issuer)
            }
            const clock = fiber.getRef(Clock.Clock)
            return accept(jwt.claims, issuer, clock.currentTimeMillisUnsafe() / 1000)
          }),

        sign: ({ expires_in, ...claims }) =>
          Effect.map(nowInSeconds, (now) => {
            const iat = Math.floor(now)
            const allClaims = { iss: ownIssuer, ...claims, iat, exp: iat + expires_in }
            return Redacted.make(Jwt.sign(allClaims, signingKey))
          }),
      })
    }),
  )
}

/** An accepted issuer, its keys, and the claims that its tokens must have. */
interface Issuer {
  readonly provider: AuthProvider
  readonly issuer: string | null
  readonly audience: string | null
  readonly secrets: ReadonlyArray<KeyObject>
  readonly jwks: Jwks | null
  readonly roleClaim: ReadonlyArray<string>
  readonly purpose: Purpose | null
}

const ownIssuer = "plinth"

/** Returns a key object, because creating one from bytes for every token costs more than the signature. */
const toKey = (secret: Redacted.Redacted) => createSecretKey(Redacted.value(secret), "utf8")

const nowInSeconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)

/** Loads jose only for a provider with public keys. */
const makeJwks = Effect.fnUntraced(function* (url: string) {
  const { make } = yield* Effect.promise(() => import("./Jwks.ts"))
  return yield* make(url)
})

/**
 * How far a provider's clock may be ahead of ours. `iat` proves nothing and only orders the tokens of a user, so only
 * one far in the future is rejected. `exp` has no leeway.
 */
const leewaySeconds = { nbf: 5, iat: 60 }

/** Returns the first rule that the claims of a correctly signed token break. */
const refusalOf = (claims: Claims, issuer: Issuer, now: number): Refusal | undefined => {
  const { iss, aud, exp, nbf, iat, sub, purpose } = claims as Registered
  if (issuer.issuer !== null && iss !== issuer.issuer) return "issuer"
  if (
    issuer.audience !== null &&
    aud !== issuer.audience &&
    !(Array.isArray(aud) && aud.includes(issuer.audience))
  ) {
    return "audience"
  }
  if (!isTime(exp)) return "claims"
  if (exp <= now) return "expired"
  if (nbf !== undefined && !isTime(nbf)) return "claims"
  if (iat !== undefined && !isTime(iat)) return "claims"
  if ((nbf ?? 0) > now + leewaySeconds.nbf || (iat ?? 0) > now + leewaySeconds.iat)
    return "not_yet_valid"
  if (issuer.purpose !== null && purpose !== issuer.purpose) return "purpose"
  return typeof sub === "string" && isSubject(sub) ? undefined : "claims"
}

type Registered = Readonly<
  Record<"iss" | "aud" | "exp" | "nbf" | "iat" | "sub" | "purpose", unknown>
>

/** Tests for a NumericDate, which may have a fraction (RFC 7519 §2). */
const isTime = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER

/** Returns the identity of claims that passed `refusalOf`. */
const identityOf = (claims: Claims, { provider, roleClaim }: Issuer): Identity => {
  const { sub, iat, exp } = claims as { sub: string; iat?: number; exp: number }
  return {
    sub: UserId.make(sub),
    ...profileOf(claims),
    role: textAt(claims, roleClaim) === "admin" ? "admin" : "user",
    issued_at: iat === undefined ? null : Math.floor(iat),
    expires_at: exp,
    provider,
    purpose: "access",
  }
}
