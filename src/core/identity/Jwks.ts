import { Clock, Duration, Effect, Exit, Schema } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import { ServiceUnavailableError } from "../../domain/Errors.ts"
import * as Resilience from "../outbound/Resilience.ts"
import { textUpTo, type TooLongError } from "../outbound/ResponseText.ts"
import * as SingleFlight from "../outbound/SingleFlight.ts"
import * as CallVerdict from "../outbound/CallVerdict.ts"
import * as VerificationKey from "./VerificationKey.ts"

/** The public keys of an auth provider. */
export interface Jwks {
  /**
   * Returns the keys that may have signed a token; empty if the provider does not know the `kid`. A null `kid` returns
   * all keys of the algorithm. Fails if the provider is unreachable, within the time of one fetch.
   */
  readonly find: (
    algorithm: VerificationKey.Asymmetric,
    kid: string | null,
  ) => Effect.Effect<ReadonlyArray<VerificationKey.VerificationKey>, ServiceUnavailableError>
  /** Tests whether a key that `find` returned is still in the key set. A new set has new keys. */
  readonly isCurrent: (key: VerificationKey.VerificationKey) => boolean
}

/** Retries once. A sign-in waits at most `totalTimeout`. */
const retryPolicy = { timeout: "2 seconds", totalTimeout: "3 seconds", attempts: 2 } as const
/** The refetch interval. Withdrawn keys stay valid this long, or longer while the provider is unreachable. */
const refreshInterval = { afterSuccess: "10 minutes", afterFailure: "1 minute" } as const
/** An unknown key triggers a fetch, but not sooner than this after the last one. */
const minRefreshGapMs = { afterSuccess: 10_000, afterFailure: 5000 }
const maxBytes = 512 * 1024

/**
 * Fetches the keys when the first token needs them. A failed fetch or an invalid response keeps the current keys. A
 * valid key set replaces them, even if it is empty or has no usable key. Concurrent callers share one fetch, which
 * continues if the first caller is interrupted.
 */
export const make = Effect.fnUntraced(function* (url: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const policy = yield* Resilience.make({ service: "jwks", ...retryPolicy, verdict: verdictOf })
  const singleFlight = yield* SingleFlight.make<void, ServiceUnavailableError>()

  let usableKeys: ReadonlyArray<VerificationKey.VerificationKey> = []
  /** Monotonic time, because the system clock may step back. */
  let nextFetchAtMs = Number.NEGATIVE_INFINITY
  let lastFetchFailed = false
  let lastReport = ""

  /** Logs rejected keys once, and again when they change. */
  const replaceKeys = ({ refused, usable }: VerificationKey.KeySet) =>
    Effect.suspend(() => {
      const hasNoUsableKey =
        usable.length === 0 && (usableKeys.length > 0 || Object.keys(refused).length > 0)
      const report = JSON.stringify([refused, hasNoUsableKey])
      const isNew = report !== lastReport
      lastReport = report
      usableKeys = usable
      if (!isNew) return Effect.void
      return Effect.andThen(
        Object.keys(refused).length === 0
          ? Effect.void
          : Effect.annotateLogs(Effect.logWarning("provider key set contains unusable keys"), {
              reasons: refused,
            }),
        hasNoUsableKey
          ? Effect.logError("provider has no usable signing key; rejecting its tokens")
          : Effect.void,
      )
    })

  const fetchKeys = client.get(url, { acceptJson: true }).pipe(
    Effect.flatMap(textUpTo(maxBytes)),
    Effect.flatMap(decodeKeySet),
    Effect.flatMap(({ keys }) => VerificationKey.fromSet(keys)),
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    policy.repeatable("fetch"),
    Effect.tap(replaceKeys),
    Effect.tapError(({ _tag }) =>
      Effect.logWarning("signing keys could not be fetched").pipe(
        Effect.annotateLogs({ error: _tag }),
      ),
    ),
    Effect.onExit((exit) =>
      Effect.zipWith(monotonicMs, policy.openFor, (now, openFor) => {
        lastFetchFailed = Exit.isFailure(exit)
        nextFetchAtMs =
          now +
          (lastFetchFailed
            ? Math.max(minRefreshGapMs.afterFailure, Duration.toMillis(openFor))
            : minRefreshGapMs.afterSuccess)
      }),
    ),
    Effect.catch((cause) =>
      Effect.flatMap(monotonicMs, (now) => unavailable(nextFetchAtMs - now, cause)),
    ),
    Effect.asVoid,
  )

  const refresh = singleFlight("keys", fetchKeys)

  const matching = (algorithm: VerificationKey.Asymmetric, kid: string | null) =>
    usableKeys.filter((key) => key.algorithm === algorithm && (kid === null || key.kid === kid))

  const find: Jwks["find"] = Effect.fnUntraced(function* (algorithm, kid) {
    const cached = matching(algorithm, kid)
    if (cached.length > 0) return cached
    const now = yield* monotonicMs
    if (now >= nextFetchAtMs) {
      yield* refresh
    } else if (lastFetchFailed) {
      // The provider may have the key. A valid token must not be reported as invalid.
      return yield* unavailable(nextFetchAtMs - now)
    }
    return matching(algorithm, kid)
  })

  const nextRefresh = Effect.suspend(() =>
    Effect.delay(
      Effect.ignore(refresh),
      lastFetchFailed ? refreshInterval.afterFailure : refreshInterval.afterSuccess,
    ),
  )
  yield* Effect.forkScoped(Effect.forever(nextRefresh))

  return { find, isCurrent: (key) => usableKeys.includes(key) } satisfies Jwks
})

/** Monotonic time in ms, from an arbitrary origin. */
const monotonicMs = Effect.map(
  Clock.clockWith((clock) => clock.monotonicTimeNanos),
  (nanos) => Number(nanos / 1_000_000n),
)

const unavailable = (waitMs: number, cause?: unknown) =>
  new ServiceUnavailableError({
    service: "authentication",
    retry_after: Math.max(1, Math.ceil(waitMs / 1000)),
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
