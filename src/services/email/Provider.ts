import { Effect } from "effect"
import { HttpClientRequest } from "effect/http"
import type { EmailProviderSettings } from "../../core/settings/providers/Email.ts"
import * as CallVerdict from "../../core/outbound/CallVerdict.ts"
import {
  type EmailError,
  EmailNotConfiguredError,
  EmailRejectedError,
  EmailThrottledError,
  EmailUnavailableError,
} from "../../domain/Email.ts"
import * as Attempt from "../Attempt.ts"

/** The common part of the HTTP providers. They differ in the format of requests and responses. */

/** E-mails are sent from jobs, which retry later, and no caller waits. */
const retryPolicy = { timeout: "10 seconds", totalTimeout: "30 seconds", attempts: 3 } as const

/** The limit for responses, which are short. */
const maxBytes = 64 * 1024

export const make = Effect.fnUntraced(function* ({
  apiKey,
  baseUrl,
  provider,
}: EmailProviderSettings) {
  const send = yield* Attempt.makeSend(maxBytes)
  const policy = yield* Attempt.makePolicy<EmailError>({ service: provider, ...retryPolicy })

  /** Returns the response, whatever its status. */
  const post = (path: string, headers: Readonly<Record<string, string>>, body: object) =>
    HttpClientRequest.post(`${baseUrl}${path}`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.acceptJson,
      // Resend rejects requests without a user agent.
      HttpClientRequest.setHeader("User-Agent", "plinth"),
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyJsonUnsafe(body),
      send,
      Effect.mapError(() => attemptError(new EmailUnavailableError({}), CallVerdict.unanswered)),
    )

  return { policy, post }
})

const attemptError = (error: EmailError, verdict: CallVerdict.CallVerdict) =>
  new Attempt.AttemptError({ error, verdict })

/** The error of a success response with an undocumented status or body. */
export const unusable = ({ response: { status } }: Attempt.Answer) =>
  attemptError(
    new EmailUnavailableError({ cause: Attempt.answerError(status) }),
    CallVerdict.unusable,
  )

/** The error of a request whose key is used by another request in progress. */
export const inProgress = ({ response: { status } }: Attempt.Answer, code: string) =>
  attemptError(new EmailUnavailableError({ cause: Attempt.answerError(status, code) }), {
    fault: "ours",
    retry: "always",
  })

/**
 * Fails with the error of a response status. `code` is the provider's error code. `retryAfter` is the value of the
 * `Retry-After` header.
 */
export const rejected = Effect.fnUntraced(function* (
  { response: { status } }: Attempt.Answer,
  code: string | null,
  retryAfter: string | undefined,
) {
  const verdict = CallVerdict.ofStatus(status, retryAfter)
  const cause = Attempt.answerError(status, code)
  const transient = { cause, ...(yield* Attempt.retryAfterOf(verdict)) }
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
export const toEmailError = Attempt.toError((fields) => new EmailUnavailableError(fields))
