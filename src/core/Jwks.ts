import { Clock, Data, Duration, Effect, Exit, Schema } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import type { CryptoKey } from "jose"
import { importJWK } from "jose/key/import"
import { ServiceUnavailableError } from "../domain/Errors.ts"
import type { Algorithm } from "./Jwt.ts"
import * as Resilience from "./Resilience.ts"
import { textUpTo, type TooLongError } from "./ResponseText.ts"
import * as SingleFlight from "./SingleFlight.ts"
import * as Verdict from "./Verdict.ts"

type Asymmetric = Exclude<Algorithm, "HS256">

/** The public keys of a provider. */
export interface Jwks {
  /**
   * The keys that may have signed such a token; none when the provider does not know them. Without a `kid`, all of
   * that algorithm. Fails when the provider cannot be asked, within the time that one fetch may take.
   */
  readonly find: (
    algorithm: Asymmetric,
    kid: string | null,
  ) => Effect.Effect<ReadonlyArray<CryptoKey>, ServiceUnavailableError>
}

/** A provider that loses a request is asked a second time; who signs in waits no longer than `within`. */
const patience = { timeout: "2 seconds", within: "3 seconds", attempts: 2 } as const
/** Keys that the provider withdrew are forgotten after this. */
const refreshEvery = "10 minutes"
/** A key that we do not hold makes us look again, but not sooner than this after the last look, in ms. */
const pause = { afterSuccess: 10_000, afterFailure: 5000 }
const maxBytes = 512 * 1024
const maxKeys = 64

/**
 * Fetched when the first token needs them, and kept until the process ends: a provider that is down or answers
 * nonsense takes nothing away. One fetch at a time serves all who wait for it, and outlives whoever asked first.
 */
export const make = Effect.fnUntraced(function* (url: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const policy = yield* Resilience.make({ service: "jwks", ...patience, verdict: verdictOf })
  const alone = yield* SingleFlight.make<void, ServiceUnavailableError>()

  let held: ReadonlyArray<VerificationKey> = []
  let nextLook = Number.NEGATIVE_INFINITY
  let failed = false

  const look = client.get(url, { acceptJson: true }).pipe(
    Effect.flatMap(textUpTo(maxBytes)),
    Effect.flatMap(decodeKeySet),
    Effect.flatMap(({ keys }) => usableKeys(keys, held)),
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    policy.repeatable("fetch"),
    Effect.tap((keys) => Effect.sync(() => void (held = keys))),
    Effect.tapError(({ _tag }) =>
      Effect.logWarning("Signing keys could not be fetched").pipe(
        Effect.annotateLogs({ error: _tag }),
      ),
    ),
    Effect.onExit((exit) =>
      Effect.zipWith(Clock.currentTimeMillis, policy.refusesFor, (now, refused) => {
        failed = Exit.isFailure(exit)
        nextLook =
          now +
          (failed ? Math.max(pause.afterFailure, Duration.toMillis(refused)) : pause.afterSuccess)
      }),
    ),
    Effect.catch((cause) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => unavailable(nextLook - now, cause)),
    ),
    Effect.asVoid,
  )

  const refresh = alone("keys", look)

  const matching = (algorithm: Asymmetric, kid: string | null) =>
    held
      .filter((one) => one.algorithm === algorithm && (kid === null || one.kid === kid))
      .map(({ key }) => key)

  const find: Jwks["find"] = Effect.fnUntraced(function* (algorithm, kid) {
    const known = matching(algorithm, kid)
    if (known.length > 0) return known
    const now = yield* Clock.currentTimeMillis
    if (now >= nextLook) {
      yield* refresh
    } else if (failed) {
      // The key may be there, we cannot see it: a good token must not be called a bad one.
      return yield* unavailable(nextLook - now)
    }
    return matching(algorithm, kid)
  })

  yield* Effect.ignore(refresh).pipe(Effect.delay(refreshEvery), Effect.forever, Effect.forkScoped)

  return { find } satisfies Jwks
})

const unavailable = (millis: number, cause?: unknown) =>
  new ServiceUnavailableError({
    service: "authentication",
    retry_after: Math.max(1, Math.ceil(millis / 1000)),
    cause,
  })

const verdictOf = (
  error: HttpClientError.HttpClientError | TooLongError | UnusableKeySet | Schema.SchemaError,
) => {
  if (!HttpClientError.isHttpClientError(error)) return Verdict.unusable
  const { response } = error
  return response === undefined || response.status < 300
    ? Verdict.unanswered
    : Verdict.ofStatus(response.status, response.headers["retry-after"])
}

class UnusableKeySet extends Data.TaggedError("UnusableKeySet") {}

const decodeKeySet = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ keys: Schema.Array(Schema.Unknown) })),
)

interface VerificationKey {
  readonly kid: string | null
  readonly algorithm: Asymmetric
  readonly key: CryptoKey
}

const common = {
  kid: Schema.optionalKey(Schema.String),
  use: Schema.optionalKey(Schema.Literal("sig")),
}

/** Only the public members are taken; a key made for another algorithm or for encryption is none of ours. */
const PublicKey = Schema.Union([
  Schema.Struct({
    ...common,
    kty: Schema.Literal("RSA"),
    alg: Schema.optionalKey(Schema.Literal("RS256")),
    n: Schema.String,
    e: Schema.String,
  }),
  Schema.Struct({
    ...common,
    kty: Schema.Literal("EC"),
    alg: Schema.optionalKey(Schema.Literal("ES256")),
    crv: Schema.Literal("P-256"),
    x: Schema.String,
    y: Schema.String,
  }),
])

/** What cannot be used is passed over. A set with nothing left in it must not take away what we hold. */
const usableKeys = Effect.fnUntraced(function* (
  keys: ReadonlyArray<unknown>,
  held: ReadonlyArray<VerificationKey>,
) {
  const imported = yield* Effect.forEach(keys.slice(0, maxKeys), (key) =>
    Effect.orElseSucceed(importKey(key), () => null),
  )
  const usable = imported.filter((key) => key !== null)
  // Supabase answers an empty set for a project that signs with the shared secret alone.
  const isEmpty = keys.length === 0 && held.length === 0
  return usable.length > 0 || isEmpty ? usable : yield* new UnusableKeySet()
})

const importKey = Effect.fnUntraced(function* (input: unknown) {
  const { kid, use: _, ...jwk } = yield* Schema.decodeUnknownEffect(PublicKey)(input)
  const algorithm = jwk.kty === "RSA" ? "RS256" : "ES256"
  const key = yield* Effect.tryPromise(() => importJWK(jwk, algorithm))
  if (key instanceof Uint8Array || !isStrong(key)) return yield* new UnusableKeySet()
  return { kid: kid ?? null, algorithm, key } satisfies VerificationKey
})

/** RFC 7518 §3.3: 2048 bits or more. Past 8192, verifying would cost too much. */
const isStrong = ({ algorithm }: CryptoKey) =>
  !("modulusLength" in algorithm) ||
  (typeof algorithm.modulusLength === "number" &&
    algorithm.modulusLength >= 2048 &&
    algorithm.modulusLength <= 8192)
