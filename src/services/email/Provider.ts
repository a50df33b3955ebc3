import { Clock, Data, Duration, Effect } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  type HttpClientResponse,
} from "effect/http"
import type { EmailProviderSettings } from "../../core/settings/Email.ts"
import * as Resilience from "../../core/outbound/Resilience.ts"
import { textUpTo } from "../../core/outbound/ResponseText.ts"
import * as CallVerdict from "../../core/outbound/CallVerdict.ts"
import {
  type EmailError,
  EmailNotConfiguredError,
  EmailRejectedError,
  EmailThrottledError,
  EmailUnavailableError,
} from "../../domain/Email.ts"
import type { ExternalServiceError, ServiceUnavailableError } from "../../domain/Errors.ts"

/** The common part of the HTTP providers. They differ in the format of requests and responses. */

/** A failed attempt: the error for the caller, and the verdict for the policy. */
class AttemptError extends Data.TaggedError("EmailAttemptError")<{
  readonly error: EmailError
  readonly verdict: CallVerdict.CallVerdict
}> {}

/** The status and code of an error response. Omits the provider's message, which may quote the e-mail. */
class AnswerError extends Data.TaggedError("EmailAnswerError")<{
  readonly status: number
  readonly code: string | null
}> {
  override get message() {
    return this.code === null ? String(this.status) : `${this.status} ${this.code}`
  }
}

/** E-mails are sent from jobs, which retry later, and no caller waits. */
const retryPolicy = { timeout: "10 seconds", totalTimeout: "30 seconds", attempts: 3 } as const

/** The limit for responses, which are short. */
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

  /** Returns the response, whatever its status. */
  const post = (path: string, headers: Readonly<Record<string, string>>, body: object) =>
    HttpClientRequest.post(`${baseUrl}${path}`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.acceptJson,
      // Resend rejects requests without a user agent.
      HttpClientRequest.setHeader("User-Agent", "plinth"),
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyJsonUnsafe(body),
      client.execute,
      Effect.flatMap((response) =>
        Effect.map(textUpTo(maxBytes)(response), (text): Answer => ({ response, text })),
      ),
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      // Following a redirect would send the e-mail to another host.
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

/** The error of a success response with an undocumented status or body. */
export const unusable = ({ response }: Answer) =>
  attemptError(
    new EmailUnavailableError({ cause: new AnswerError({ status: response.status, code: null }) }),
    CallVerdict.unusable,
  )

/** The error of a request whose key is used by another request in progress. */
export const inProgress = ({ response }: Answer, code: string) =>
  attemptError(
    new EmailUnavailableError({ cause: new AnswerError({ status: response.status, code }) }),
    { fault: "ours", retry: "always" },
  )

/**
 * Fails with the error of a response status. `code` is the provider's error code. `retryAfter` is the value of the
 * `Retry-After` header.
 */
export const rejected = Effect.fnUntraced(function* (
  { response: { status } }: Answer,
  code: string | null,
  retryAfter: string | undefined,
) {
  const verdict = CallVerdict.ofStatus(status, retryAfter)
  const retryDelay = CallVerdict.delayOf(verdict, yield* Clock.currentTimeMillis)
  const cause = new AnswerError({
    status,
    code: code !== null && /^[\w.]{1,80}$/.test(code) ? code : null,
  })
  const transient = {
    cause,
    ...(Duration.isGreaterThan(retryDelay, Duration.zero) && {
      retry_after: Math.ceil(Duration.toSeconds(retryDelay)),
    }),
  }
  if (status === 429) return yield* attemptError(new EmailThrottledError(transient), verdict)
  if (status >= 500 || status === 408) {
    return yield* attemptError(new EmailUnavailableError(transient), verdict)
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

/** Maps the failure of a call to the errors of `Email`. */
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
