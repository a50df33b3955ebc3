import { createSecretKey } from "node:crypto"
import { Clock, Context, Effect, Exit, Layer, Option, Redacted } from "effect"
import { AuthenticationError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import {
  type Claims,
  type Identity,
  isSubject,
  profileOf,
  type Purpose,
  textAt,
} from "../../domain/users/Identity.ts"
import { UserId } from "../../domain/users/User.ts"
import * as Jwt from "./Jwt.ts"
import { type Issuer, type Registered, type SignedToken, SignedTokens } from "./SignedTokens.ts"
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
    /**
     * Counts every rejection. Fails with 503 if the provider's keys are needed and unavailable. The result is an `Exit`
     * unless a public key has to be used for the first time.
     */
    readonly verify: (
      token: string,
      clock: Clock.Clock,
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
          AuthenticationError.by[reason === "expired" ? "expired_token" : "invalid_token"],
        )
      }

      const signedTokens = new SignedTokens()

      /** Judges the claims of a token whose signature is right. */
      const judge = ({ claims, identity, issuer }: SignedToken, clock: Clock.Clock) => {
        const refusal = refusalOf(claims, issuer, clock.currentTimeMillisUnsafe() / 1000)
        return refusal === undefined
          ? Exit.succeed(identity ?? identityOf(claims, issuer))
          : refuse(refusal, issuer)
      }

      /** Judges a token, and remembers that its signature is right. */
      const accept = (token: string, signed: SignedToken, clock: Clock.Clock) => {
        const judged = judge(signed, clock)
        if (Exit.isSuccess(judged)) signedTokens.add(token, { ...signed, identity: judged.value })
        return judged
      }

      const verifyWithJwks = (jwt: Jwt.Jwt, issuer: Issuer, token: string, clock: Clock.Clock) => {
        const { algorithm, claims, kid } = jwt
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
                      ? accept(token, { claims, issuer, key: signed.value, identity: null }, clock)
                      : refuse("signature", issuer),
                ),
          ),
        )
      }

      return Tokens.of({
        verify: (token, clock) => {
          const signed = signedTokens.get(token)
          if (signed !== undefined) return judge(signed, clock)
          const jwt = Jwt.parse(token)
          if (typeof jwt === "string") return refuse(jwt)
          const { algorithm, claims } = jwt
          const issuer = claims["iss"] === ownIssuer ? plinth : provider
          if (algorithm !== "HS256" || issuer.secrets.length === 0) {
            return verifyWithJwks(jwt, issuer, token, clock)
          }
          return issuer.secrets.some((key) => Jwt.isSignedWith(jwt, key))
            ? accept(token, { claims, issuer, key: null, identity: null }, clock)
            : refuse("signature", issuer)
        },

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
