import { Clock, Data, Duration, Effect } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  type HttpClientResponse,
} from "effect/http"
import type { EmailProviderSettings } from "../../core/EmailSettings.ts"
import * as Resilience from "../../core/Resilience.ts"
import { textUpTo } from "../../core/ResponseText.ts"
import * as CallVerdict from "../../core/CallVerdict.ts"
import {
  type EmailError,
  EmailNotConfiguredError,
  EmailRejectedError,
  EmailThrottledError,
  EmailUnavailableError,
} from "../../domain/Email.ts"
import type { ExternalServiceError, ServiceUnavailableError } from "../../domain/Errors.ts"

/** What the providers over HTTP have in common: they differ in what they are asked and in what they answer. */

/** A failed attempt: what the caller is told of it, and what the policy is. */
class AttemptError extends Data.TaggedError("EmailAttemptError")<{
  readonly error: EmailError
  readonly verdict: CallVerdict.CallVerdict
}> {}

/** What a provider answered, without its words: they repeat what it was sent. */
class AnswerError extends Data.TaggedError("EmailAnswerError")<{
  readonly status: number
  readonly code: string | null
}> {
  override get message() {
    return this.code === null ? String(this.status) : `${this.status} ${this.code}`
  }
}

/** A mail is sent from a job, which comes again; nobody waits for it. */
const retryPolicy = { timeout: "10 seconds", within: "30 seconds", attempts: 3 } as const

/** Answers are short. */
const maxBytes = 64 * 1024

export const make = Effect.fnUntraced(function* ({
  apiKey,
  baseUrl,
  provider,
}: EmailProviderSettings) {
  const client = yield* HttpClient.HttpClient
  const policy = yield* Resilience.make({
    service: provider,
    ...retryPolicy,
    verdict: ({ verdict }: AttemptError) => verdict,
  })

  /** The answer, whatever its status. */
  const post = (path: string, headers: Readonly<Record<string, string>>, body: object) =>
    HttpClientRequest.post(`${baseUrl}${path}`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.acceptJson,
      // Resend refuses requests without one.
      HttpClientRequest.setHeader("User-Agent", "plinth"),
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyJsonUnsafe(body),
      client.execute,
      Effect.flatMap((response) =>
        Effect.map(textUpTo(maxBytes)(response), (text): Answer => ({ response, text })),
      ),
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      // The mail would go to whoever is named.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.mapError(() => attemptError(new EmailUnavailableError({}), CallVerdict.unanswered)),
    )

  return { policy, post }
})

export interface Answer {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly text: string
}

const attemptError = (error: EmailError, verdict: CallVerdict.CallVerdict) =>
  new AttemptError({ error, verdict })

/** It said yes, or so it seems: but not in the way that was agreed. */
export const unusable = ({ response }: Answer) =>
  attemptError(
    new EmailUnavailableError({ cause: new AnswerError({ status: response.status, code: null }) }),
    CallVerdict.unusable,
  )

/** Another request with the same key is on its way. */
export const busy = ({ response }: Answer, code: string) =>
  attemptError(
    new EmailUnavailableError({ cause: new AnswerError({ status: response.status, code }) }),
    { fault: "ours", retry: "always" },
  )

/** By the status. `code`: a word of the provider's for what is wrong. `retryAfter`: as the header of that name. */
export const refused = Effect.fnUntraced(function* (
  { response: { status } }: Answer,
  code: string | null,
  retryAfter: string | undefined,
) {
  const verdict = CallVerdict.ofStatus(status, retryAfter)
  const wait = CallVerdict.delayOf(verdict, yield* Clock.currentTimeMillis)
  const cause = new AnswerError({
    status,
    code: code !== null && /^[\w.]{1,80}$/.test(code) ? code : null,
  })
  const later = {
    cause,
    ...(Duration.isGreaterThan(wait, Duration.zero) && {
      retry_after: Math.ceil(Duration.toSeconds(wait)),
    }),
  }
  if (status === 429) return yield* attemptError(new EmailThrottledError(later), verdict)
  if (status >= 500 || status === 408) {
    return yield* attemptError(new EmailUnavailableError(later), verdict)
  }
  const misconfigured = misconfigurationOf(status)
  return yield* attemptError(
    misconfigured === null
      ? new EmailRejectedError({ reason: rejectionOf(status), cause })
      : new EmailNotConfiguredError({ reason: misconfigured, cause }),
    verdict,
  )
})

const misconfigurationOf = (status: number) => {
  if (status === 401) return "key"
  if (status === 403) return "permission"
  return status < 400 || status === 404 || status === 405 ? "address" : null
}

const rejectionOf = (status: number) => {
  switch (status) {
    case 400:
    case 422:
      return "invalid"
    case 409:
      return "key_reused"
    case 413:
      return "too_large"
    default:
      return "refused"
  }
}

/** The failure of a call, as the tag tells it. */
export const toEmailError = (
  failure: AttemptError | ExternalServiceError | ServiceUnavailableError,
): EmailError => {
  switch (failure._tag) {
    case "EmailAttemptError":
      return failure.error
    case "ExternalServiceError":
      return new EmailUnavailableError({ cause: failure })
    case "ServiceUnavailableError":
      return new EmailUnavailableError({
        cause: failure,
        ...(failure.retry_after !== undefined && { retry_after: failure.retry_after }),
      })
  }
}
