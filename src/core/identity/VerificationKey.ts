import { Data, Effect, Schema } from "effect"
import type { CryptoKey } from "jose"
import { compactVerify } from "jose/jws/compact/verify"
import { importJWK } from "jose/key/import"
import type { Algorithm } from "./Jwt.ts"

export type Asymmetric = Exclude<Algorithm, "HS256">

/** A provider's public key for one algorithm. */
export interface VerificationKey {
  readonly kid: string | null
  readonly algorithm: Asymmetric
  /** Tests the signature of a token. Accepts only the algorithm for which the key was imported. */
  readonly hasSigned: (token: string) => Effect.Effect<boolean>
}

/**
 * The reason a key of a set is skipped. `algorithm`: not for RS256 or ES256. `use`: not for verifying signatures.
 * `private`: contains the private key, so every reader of the set can sign. `weak`: RSA parameters out of bounds.
 * `excess`: beyond the 64th key.
 */
type Refusal = "malformed" | "algorithm" | "use" | "private" | "weak" | "excess"

/** The usable keys of a key set, and the number of skipped keys by reason. */
export interface KeySet {
  readonly usable: ReadonlyArray<VerificationKey>
  readonly refused: Readonly<Partial<Record<Refusal, number>>>
}

const maxKeys = 64

/** Imports a key set. Skips unusable keys without rejecting the others (RFC 7517 §5). */
export const fromSet = Effect.fnUntraced(function* (keys: ReadonlyArray<unknown>) {
  const usable: Array<VerificationKey> = []
  const refused: Partial<Record<Refusal, number>> = {}
  if (keys.length > maxKeys) refused.excess = keys.length - maxKeys
  for (const input of keys.slice(0, maxKeys)) {
    yield* Effect.match(importKey(input), {
      onSuccess: (key) => void usable.push(key),
      onFailure: ({ reason }) => void (refused[reason] = (refused[reason] ?? 0) + 1),
    })
  }
  return { usable, refused } satisfies KeySet
})

class RefusedKey extends Data.TaggedError("RefusedKey")<{ readonly reason: Refusal }> {}

const refuse = (reason: Refusal) => new RefusedKey({ reason })

const importKey = Effect.fnUntraced(function* (input: unknown) {
  if (!isRecord(input)) return yield* refuse("malformed")
  const reason = refusalOf(input)
  if (reason !== undefined) return yield* refuse(reason)
  // `decode` keeps only public members.
  const { kid, ...jwk } = yield* Effect.mapError(decode(input), () => refuse("malformed"))
  const algorithm = jwk.kty === "RSA" ? "RS256" : "ES256"
  const key = yield* Effect.tryPromise({
    try: () => importJWK(jwk, algorithm),
    catch: () => refuse("malformed"),
  })
  if (key instanceof Uint8Array) return yield* refuse("malformed")
  if (!isStrong(key)) return yield* refuse("weak")
  const hasSigned = (token: string) =>
    Effect.tryPromise(() => compactVerify(token, key, { algorithms: [algorithm] })).pipe(
      Effect.match({ onSuccess: () => true, onFailure: () => false }),
    )
  return { kid: kid ?? null, algorithm, hasSigned } satisfies VerificationKey
})

type Members = Readonly<
  Partial<
    Record<"kty" | "alg" | "crv" | "use" | "key_ops" | (typeof privateMembers)[number], unknown>
  >
>

const isRecord = (input: unknown): input is Members => typeof input === "object" && input !== null

/** Private members by RFC 7518 §6.2.2, §6.3.2 and §6.4. */
const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] as const

const refusalOf = (jwk: Members): Refusal | undefined => {
  const { alg, crv, key_ops, kty, use } = jwk
  if (privateMembers.some((name) => jwk[name] !== undefined)) return "private"
  if ((use !== undefined && use !== "sig") || !mayVerify(key_ops)) return "use"
  const isRsa = kty === "RSA" && (alg === undefined || alg === "RS256")
  const isEc = kty === "EC" && crv === "P-256" && (alg === undefined || alg === "ES256")
  return isRsa || isEc ? undefined : "algorithm"
}

/** Tests `key_ops` (RFC 7517 §4.3): no duplicates, and only operations compatible with signatures. */
const mayVerify = (operations: unknown) =>
  operations === undefined ||
  (Array.isArray(operations) &&
    operations.includes("verify") &&
    operations.every((one) => one === "verify" || one === "sign") &&
    new Set(operations).size === operations.length)

const kid = Schema.optionalKey(Schema.String)

const decode = Schema.decodeUnknownEffect(
  Schema.Union([
    Schema.Struct({ kid, kty: Schema.Literal("RSA"), n: Schema.String, e: Schema.String }),
    Schema.Struct({
      kid,
      kty: Schema.Literal("EC"),
      crv: Schema.Literal("P-256"),
      x: Schema.String,
      y: Schema.String,
    }),
  ]),
)

/**
 * Requires RSA keys of at least 2048 bits (RFC 7518 §3.3) and at most 8192, because larger ones are too slow to verify.
 * The exponent is odd and between 2^16 and 2^256 (FIPS 186-5 §A.1.1): with 1 anyone can sign, and 3 has a history of
 * forgeries.
 */
const isStrong = ({ algorithm }: CryptoKey) => {
  if (algorithm.name === "ECDSA") return true
  const { modulusLength, publicExponent } = algorithm as RsaAlgorithm
  const exponent = BigInt(`0x0${Buffer.from(publicExponent).toString("hex")}`)
  return (
    modulusLength >= 2048 &&
    modulusLength <= 8192 &&
    exponent > 2n ** 16n &&
    exponent < 2n ** 256n &&
    exponent % 2n === 1n
  )
}

/** `RsaHashedKeyAlgorithm` of Web Cryptography. */
interface RsaAlgorithm {
  readonly name: string
  readonly modulusLength: number
  readonly publicExponent: Uint8Array
}
