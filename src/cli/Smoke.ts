import { Data, Effect, Redacted, Schedule, Schema } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import type { Check as CheckSchema } from "./Results.ts"

export type Check = typeof CheckSchema.Type

export interface Options {
  /** Where the service is, without a slash at its end. */
  readonly url: string
  /** How long the service may take to come up, in seconds. */
  readonly wait: number
  /** Whether an https URL has to answer with HSTS, which only ENVIRONMENT=production sends. */
  readonly hsts: boolean
  /** Of any active user; null to leave the check out. */
  readonly token: Redacted.Redacted | null
}

/** What a check expected was not so. The message is its detail. */
class Wrong extends Data.TaggedError("Wrong")<{ readonly message: string }> {}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/**
 * Looks at a service as its callers see it, which takes at most 10 s more than `wait`. Changes nothing, but that the
 * first request of a token makes its user.
 */
export const smoke = Effect.fnUntraced(function* ({ hsts, token, url, wait }: Options) {
  const up = yield* outcome("health", Effect.retry(health(url), attempts(wait)))
  const others = yield* Effect.all(
    [
      outcome("headers", protection(url, hsts)),
      outcome("ready", ready(url)),
      outcome("unknown route", unknownRoute(url)),
      outcome("without a token", withoutToken(url)),
      token === null ? Effect.succeed(notAsked) : outcome("with a token", withToken(url, token)),
    ],
    { concurrency: "unbounded" },
  )
  return [up, ...others]
})

/** One a second; a service that hangs has fewer. */
const attempts = (seconds: number) =>
  Schedule.spaced("1 second").pipe(
    Schedule.upTo({ duration: `${seconds} seconds`, times: seconds }),
  )

const notAsked: Check = {
  check: "with a token",
  status: "skipped",
  detail: "PLINTH_TOKEN is not set",
}

const outcome = (check: string, detail: Effect.Effect<string, Wrong>) =>
  Effect.match(detail, {
    onSuccess: (text): Check => ({ check, status: "ok", detail: text }),
    onFailure: ({ message }): Check => ({ check, status: "failed", detail: message }),
  })

const Healthy = Schema.Struct({ status: Schema.Literal("healthy") })

const Ready = Schema.Struct({
  status: Schema.Literals(["healthy", "degraded", "unhealthy"]),
  components: Schema.Record(Schema.String, Schema.Struct({ status: Schema.String })),
})

const Failure = (code: string) =>
  Schema.Struct({
    error: Schema.Struct({
      code: Schema.Literal(code),
      message: Schema.String,
      details: Schema.Record(Schema.String, Schema.Unknown),
    }),
  })

const Caller = Schema.Struct({ id: Schema.NonEmptyString })

const health = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/health`)
  yield* is(200)(answer)
  yield* holds(Healthy)(answer)
  return "healthy"
})

const ready = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/health/ready`)
  const { components, status } = yield* holds(Ready)(answer)
  const parts = Object.entries(components).map(([name, part]) => `${name} ${part.status}`)
  const detail = `${status}: ${parts.join(", ")}`
  return answer.status === 200 && status !== "unhealthy"
    ? detail
    : yield* new Wrong({ message: `${answer.status}, ${detail}` })
})

const unknownRoute = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(`${url}/api/v1/public/no-such-route`)
  yield* is(404)(answer)
  yield* holds(Failure("NOT_FOUND"))(answer)
  return "404 in the envelope"
})

const me = (url: string) => `${url}/api/v1/app/users/me`

const withoutToken = Effect.fnUntraced(function* (url: string) {
  const answer = yield* get(me(url))
  yield* is(401)(answer)
  yield* holds(Failure("AUTHENTICATION_ERROR"))(answer)
  return /^bearer\b/i.test(answer.headers["www-authenticate"] ?? "")
    ? "401 in the envelope"
    : yield* new Wrong({ message: "401 without WWW-Authenticate: Bearer" })
})

const withToken = Effect.fnUntraced(function* (url: string, token: Redacted.Redacted) {
  const answer = yield* get(me(url), { authorization: `Bearer ${Redacted.value(token)}` })
  yield* is(200)(answer)
  yield* holds(Caller)(answer)
  return "200"
})

/** CONTRACT section 1: what every answer has. */
const headers: Readonly<Record<string, RegExp>> = {
  "x-request-id": /^[\w.-]{1,128}$/,
  "x-api-version": /^v\d+$/,
  "x-api-latest-version": /^v\d+$/,
  "x-content-type-options": /^nosniff$/i,
  "x-frame-options": /^deny$/i,
  "referrer-policy": /./,
  "permissions-policy": /./,
  "content-security-policy": /default-src 'none'/,
}

const protection = Effect.fnUntraced(function* (url: string, hsts: boolean) {
  const answer = yield* get(`${url}/api/v1/public/health`)
  const secure = hsts && url.startsWith("https:")
  const expected = {
    ...headers,
    ...(secure && { "strict-transport-security": /max-age=[1-9]/i }),
  }
  const wrong = Object.entries(expected)
    .filter(([name, form]) => !form.test(answer.headers[name] ?? ""))
    .map(([name]) => name)
  return wrong.length === 0
    ? `versions and security${secure ? ", HSTS too" : ""}`
    : yield* new Wrong({ message: `missing or wrong: ${wrong.join(", ")}` })
})

const is =
  (status: number) =>
  (answer: Answer): Effect.Effect<void, Wrong> =>
    answer.status === status
      ? Effect.void
      : Effect.fail(new Wrong({ message: `answered ${answer.status} instead of ${status}` }))

/** The body as JSON of this form. What it is instead is not told: it may be anybody's. */
const holds =
  <A>(schema: Schema.Codec<A, unknown>) =>
  (answer: Answer): Effect.Effect<A, Wrong> =>
    Schema.decodeEffect(Schema.fromJsonString(schema))(answer.text).pipe(
      Effect.mapError(() => new Wrong({ message: `${answer.status} with an unexpected body` })),
    )

/** A redirection is an answer, so that a token goes nowhere but where it was meant for. */
const get = (url: string, sent: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => client.get(url, { headers: sent })).pipe(
    Effect.flatMap((response) =>
      Effect.map(response.text, (text): Answer => ({
        status: response.status,
        headers: response.headers,
        text,
      })),
    ),
    Effect.mapError(({ reason }) => new Wrong({ message: `no answer: ${codeOf(reason)}` })),
    Effect.timeoutOrElse({
      duration: "5 seconds",
      orElse: () => Effect.fail(new Wrong({ message: "no answer in 5 s" })),
    }),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
    Effect.provide(FetchHttpClient.layer),
  )

/** ECONNREFUSED, ENOTFOUND, CERT_HAS_EXPIRED and so on are in the cause of the cause. */
const codeOf = (failure: unknown): string => {
  if (typeof failure !== "object" || failure === null) return "the connection failed"
  if ("code" in failure && typeof failure.code === "string") return failure.code
  return codeOf("cause" in failure ? failure.cause : undefined)
}
