import { Data, Effect, Redacted, Schedule, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import type { Check as CheckSchema } from "../Results.ts"

export type Check = typeof CheckSchema.Type

export interface Options {
  /** Base URL of the service, without a trailing slash. */
  readonly url: string
  /** Seconds that the service may take to come up. */
  readonly waitSeconds: number
  /** True if an https URL must answer with HSTS, which only ENVIRONMENT=production sends. */
  readonly requiresHsts: boolean
  /** Token of any active user; null to skip the check. */
  readonly token: Redacted.Redacted | null
}

/** A check failed. The message becomes its detail. */
class CheckFailed extends Data.TaggedError("CheckFailed")<{ readonly message: string }> {}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/**
 * Checks a service from outside, in at most 10 s more than `waitSeconds`. Changes nothing, except that the first
 * request of a token creates its user.
 */
export const smoke = Effect.fnUntraced(function* ({
  requiresHsts,
  token,
  url,
  waitSeconds,
}: Options) {
  const healthCheck = yield* runCheck(
    "health",
    Effect.retry(checkHealth(url), retryEverySecond(waitSeconds)),
  )
  const others = yield* Effect.all(
    [
      runCheck("headers", checkHeaders(url, requiresHsts)),
      runCheck("ready", checkReadiness(url)),
      runCheck("unknown route", checkUnknownRoute(url)),
      runCheck("without a token", checkWithoutToken(url)),
      token === null
        ? Effect.succeed(skippedTokenCheck)
        : runCheck("with a token", checkWithToken(url, token)),
    ],
    { concurrency: "unbounded" },
  )
  return [healthCheck, ...others]
})

/** Retries every second for this many seconds. If the service hangs, there are fewer retries. */
const retryEverySecond = (seconds: number) =>
  Schedule.spaced("1 second").pipe(
    Schedule.upTo({ duration: `${seconds} seconds`, times: seconds }),
  )

const skippedTokenCheck: Check = {
  check: "with a token",
  status: "skipped",
  detail: "PLINTH_TOKEN is not set",
}

const runCheck = (check: string, detail: Effect.Effect<string, CheckFailed>) =>
  Effect.match(detail, {
    onSuccess: (text): Check => ({ check, status: "ok", detail: text }),
    onFailure: ({ message }): Check => ({ check, status: "failed", detail: message }),
  })

const Healthy = Schema.Struct({ status: Schema.Literal("healthy") })

const Ready = Schema.Struct({
  status: Schema.Literals(["healthy", "degraded", "unhealthy"]),
  components: Schema.Record(Schema.String, Schema.Struct({ status: Schema.String })),
})

const ErrorEnvelope = (code: string) =>
  Schema.Struct({
    error: Schema.Struct({
      code: Schema.Literal(code),
      message: Schema.String,
      details: Schema.Record(Schema.String, Schema.Unknown),
    }),
  })

const CurrentUser = Schema.Struct({ id: Schema.NonEmptyString })

const checkHealth = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/health`)
  yield* expectStatus(200)(answer)
  yield* decodeBody(Healthy)(answer)
  return "healthy"
})

const checkReadiness = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/health/ready`)
  const { components, status } = yield* decodeBody(Ready)(answer)
  const parts = Object.entries(components).map(([name, part]) => `${name} ${part.status}`)
  const detail = `${status}: ${parts.join(", ")}`
  return answer.status === 200 && status !== "unhealthy"
    ? detail
    : yield* new CheckFailed({ message: `${answer.status}, ${detail}` })
})

const checkUnknownRoute = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/no-such-route`)
  yield* expectStatus(404)(answer)
  yield* decodeBody(ErrorEnvelope("NOT_FOUND"))(answer)
  return "404 with an error envelope"
})

const currentUserUrl = (url: string) => `${url}/api/v1/app/users/me`

const checkWithoutToken = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(currentUserUrl(url))
  yield* expectStatus(401)(answer)
  yield* decodeBody(ErrorEnvelope("AUTHENTICATION_ERROR"))(answer)
  return /^bearer\b/i.test(answer.headers["www-authenticate"] ?? "")
    ? "401 with an error envelope"
    : yield* new CheckFailed({ message: "401 without WWW-Authenticate: Bearer" })
})

const checkWithToken = Effect.fnUntraced(function* (url: string, token: Redacted.Redacted) {
  const answer = yield* get(currentUserUrl(url), {
    authorization: `Bearer ${Redacted.value(token)}`,
  })
  yield* expectStatus(200)(answer)
  yield* decodeBody(CurrentUser)(answer)
  return "200"
})

/** The headers that every response has. */
const expectedHeaders: Readonly<Record<string, RegExp>> = {
  "x-request-id": /^[\w.-]{1,128}$/,
  "x-api-version": /^v\d+$/,
  "x-api-latest-version": /^v\d+$/,
  "x-content-type-options": /^nosniff$/i,
  "x-frame-options": /^deny$/i,
  "referrer-policy": /./,
  "permissions-policy": /./,
  "content-security-policy": /default-src 'none'/,
}

const checkHeaders = Effect.fnUntraced(function* (url: string, requiresHsts: boolean) {
  const answer = yield* get(`${url}/api/v1/public/health`)
  const isHstsExpected = requiresHsts && url.startsWith("https:")
  const expected = {
    ...expectedHeaders,
    ...(isHstsExpected && { "strict-transport-security": /max-age=[1-9]/i }),
  }
  const wrong = Object.entries(expected)
    .filter(([name, pattern]) => !pattern.test(answer.headers[name] ?? ""))
    .map(([name]) => name)
  return wrong.length === 0
    ? `version and security headers${isHstsExpected ? ", HSTS" : ""}`
    : yield* new CheckFailed({ message: `missing or wrong: ${wrong.join(", ")}` })
})

const expectStatus =
  (status: number) =>
  (answer: Answer): Effect.Effect<void, CheckFailed> =>
    answer.status === status
      ? Effect.void
      : Effect.fail(new CheckFailed({ message: `answered ${answer.status} instead of ${status}` }))

/** Decodes the body as JSON. The error does not quote the body, which may come from another service. */
const decodeBody =
  <A>(schema: Schema.Codec<A, unknown>) =>
  (answer: Answer): Effect.Effect<A, CheckFailed> =>
    Schema.decodeEffect(Schema.fromJsonString(schema))(answer.text).pipe(
      Effect.mapError(
        () => new CheckFailed({ message: `${answer.status} with an unexpected body` }),
      ),
    )

/** Does not follow redirects, so that the token is sent only to the given URL. */
const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => client.get(url, { headers })).pipe(
    Effect.flatMap((response) =>
      Effect.map(response.text, (text): Answer => ({
        status: response.status,
        headers: response.headers,
        text,
      })),
    ),
    Effect.mapError(({ reason }) => new CheckFailed({ message: `no answer: ${codeOf(reason)}` })),
    Effect.timeoutOrElse({
      duration: "5 seconds",
      orElse: () => Effect.fail(new CheckFailed({ message: "no answer in 5 s" })),
    }),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.provide(FetchHttpClient.layer),
  )

/** Returns the first code in the chain of causes, such as ECONNREFUSED, ENOTFOUND or CERT_HAS_EXPIRED. */
const codeOf = (failure: unknown): string => {
  if (typeof failure !== "object" || failure === null) return "the connection failed"
  if ("code" in failure && typeof failure.code === "string") return failure.code
  return codeOf("cause" in failure ? failure.cause : undefined)
}
