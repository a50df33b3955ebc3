import { Clock, Duration, Effect, Exit, Schema } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import type { CryptoKey } from "jose"
import { ServiceUnavailableError } from "../domain/Errors.ts"
import * as Resilience from "./Resilience.ts"
import { textUpTo, type TooLongError } from "./ResponseText.ts"
import * as SingleFlight from "./SingleFlight.ts"
import * as CallVerdict from "./CallVerdict.ts"
import * as VerificationKey from "./VerificationKey.ts"

/** The public keys of a provider. */
export interface Jwks {
  /**
   * The keys that may have signed such a token; none when the provider does not know them. Without a `kid`, all of
   * that algorithm. Fails when the provider cannot be asked, within the time that one fetch may take.
   */
  readonly find: (
    algorithm: VerificationKey.Asymmetric,
    kid: string | null,
  ) => Effect.Effect<ReadonlyArray<CryptoKey>, ServiceUnavailableError>
}

/** A provider that loses a request is asked a second time; who signs in waits no longer than `within`. */
const retryPolicy = { timeout: "2 seconds", within: "3 seconds", attempts: 2 } as const
/** Keys that the provider withdrew are forgotten after this; when it cannot be asked then, as soon as it can be. */
const refreshEvery = { afterSuccess: "10 minutes", afterFailure: "1 minute" } as const
/** A key that we do not hold makes us look again, but not sooner than this after the last look, in ms. */
const minRefreshGapMs = { afterSuccess: 10_000, afterFailure: 5000 }
const maxBytes = 512 * 1024

/**
 * Fetched when the first token needs them. A provider that is down or answers nonsense takes no key away; one that
 * answers with a key set does, also when the set is empty or has no usable key. One fetch at a time serves all who wait
 * for it, and outlives whoever asked first.
 */
export const make = Effect.fnUntraced(function* (url: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const policy = yield* Resilience.make({ service: "jwks", ...retryPolicy, verdict: verdictOf })
  const alone = yield* SingleFlight.make<void, ServiceUnavailableError>()

  let held: ReadonlyArray<VerificationKey.VerificationKey> = []
  /** In ms of the monotonic clock: the other one may step back. */
  let nextLook = Number.NEGATIVE_INFINITY
  let failed = false
  let told = ""

  /** Refused keys are logged once, and again when they change. */
  const take = ({ refused, usable }: VerificationKey.KeySet) =>
    Effect.suspend(() => {
      const lost = usable.length === 0 && (held.length > 0 || Object.keys(refused).length > 0)
      const news = JSON.stringify([refused, lost])
      const isNew = news !== told
      told = news
      held = usable
      if (!isNew) return Effect.void
      return Effect.andThen(
        Object.keys(refused).length === 0
          ? Effect.void
          : Effect.annotateLogs(Effect.logWarning("signing keys of the provider cannot be used"), {
              reasons: refused,
            }),
        lost
          ? Effect.logError("the provider has no usable signing key: its tokens are refused")
          : Effect.void,
      )
    })

  const look = client.get(url, { acceptJson: true }).pipe(
    Effect.flatMap(textUpTo(maxBytes)),
    Effect.flatMap(decodeKeySet),
    Effect.flatMap(({ keys }) => VerificationKey.fromSet(keys)),
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    policy.repeatable("fetch"),
    Effect.tap(take),
    Effect.tapError(({ _tag }) =>
      Effect.logWarning("signing keys could not be fetched").pipe(
        Effect.annotateLogs({ error: _tag }),
      ),
    ),
    Effect.onExit((exit) =>
      Effect.zipWith(elapsed, policy.refusesFor, (now, refused) => {
        failed = Exit.isFailure(exit)
        nextLook =
          now +
          (failed
            ? Math.max(minRefreshGapMs.afterFailure, Duration.toMillis(refused))
            : minRefreshGapMs.afterSuccess)
      }),
    ),
    Effect.catch((cause) => Effect.flatMap(elapsed, (now) => unavailable(nextLook - now, cause))),
    Effect.asVoid,
  )

  const refresh = alone("keys", look)

  const matching = (algorithm: VerificationKey.Asymmetric, kid: string | null) =>
    held
      .filter((one) => one.algorithm === algorithm && (kid === null || one.kid === kid))
      .map(({ key }) => key)

  const find: Jwks["find"] = Effect.fnUntraced(function* (algorithm, kid) {
    const known = matching(algorithm, kid)
    if (known.length > 0) return known
    const now = yield* elapsed
    if (now >= nextLook) {
      yield* refresh
    } else if (failed) {
      // The key may be there, we cannot see it: a good token must not be called a bad one.
      return yield* unavailable(nextLook - now)
    }
    return matching(algorithm, kid)
  })

  const nextRefresh = Effect.suspend(() =>
    Effect.delay(
      Effect.ignore(refresh),
      failed ? refreshEvery.afterFailure : refreshEvery.afterSuccess,
    ),
  )
  yield* Effect.forkScoped(Effect.forever(nextRefresh))

  return { find } satisfies Jwks
})

/** In ms, since whenever. */
const elapsed = Effect.map(
  Clock.clockWith((clock) => clock.monotonicTimeNanos),
  (nanos) => Number(nanos / 1_000_000n),
)

const unavailable = (millis: number, cause?: unknown) =>
  new ServiceUnavailableError({
    service: "authentication",
    retry_after: Math.max(1, Math.ceil(millis / 1000)),
    cause,
  })

const verdictOf = (error: HttpClientError.HttpClientError | TooLongError | Schema.SchemaError) => {
  if (!HttpClientError.isHttpClientError(error)) return CallVerdict.unusable
  const { response } = error
  return response === undefined || response.status < 300
    ? CallVerdict.unanswered
    : CallVerdict.ofStatus(response.status, response.headers["retry-after"])
}

const decodeKeySet = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ keys: Schema.Array(Schema.Unknown) })),
)
