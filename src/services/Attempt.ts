import { Clock, Data, Duration, Effect } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  type HttpClientError,
  type HttpClientRequest,
  type HttpClientResponse,
} from "effect/http"
import * as CallVerdict from "../core/outbound/CallVerdict.ts"
import * as Resilience from "../core/outbound/Resilience.ts"
import { textUpTo, type TooLongError } from "../core/outbound/ResponseText.ts"
import type { ExternalServiceError, ServiceUnavailableError } from "../domain/Errors.ts"

// What the adapters of all vendors share: an attempt, its failure and the mapping to the errors of a tag.

/** A failed attempt: the error for the caller, and the verdict for the policy. */
export class AttemptError<E extends Error> extends Data.TaggedError("AttemptError")<{
  readonly error: E
  readonly verdict: CallVerdict.CallVerdict
}> {
  override get message() {
    return this.error.message
  }
}

/** The status and code of an error response. Omits the vendor's message, which may quote the request. */
class AnswerError extends Data.TaggedError("AnswerError")<{
  readonly status: number
  readonly code: string | null
}> {
  override get message() {
    return this.code === null ? String(this.status) : `${this.status} ${this.code}`
  }
}

/** Creates an `AnswerError`. Drops a vendor's code that is not a short word, because it may quote the request too. */
export const answerError = (status: number, code: string | null = null) =>
  new AnswerError({ status, code: code !== null && /^[\w.]{1,80}$/.test(code) ? code : null })

/** Creates the policy of a vendor, which reads the verdict of each failed attempt. */
export const makePolicy = <E extends Error>(
  options: Omit<Resilience.Options<AttemptError<E>>, "verdict">,
) => Resilience.make<AttemptError<E>>({ ...options, verdict: ({ verdict }) => verdict })

/** The failure of a call under a policy. */
export type CallFailure<E extends Error> =
  | AttemptError<E>
  | ExternalServiceError
  | ServiceUnavailableError

/** The fields of an error after which a later call may succeed. `retry_after` is in seconds, when known. */
interface Unavailable {
  readonly cause: ExternalServiceError | ServiceUnavailableError
  readonly retry_after?: number
}

/**
 * Maps the failure of a call to the errors of a tag. `unavailable` creates the error for a call without a response in
 * time, and for an open circuit breaker.
 */
export const toError =
  <U>(unavailable: (fields: Unavailable) => U) =>
  <E extends Error>(failure: CallFailure<E>): E | U => {
    if (failure._tag === "AttemptError") return failure.error
    const retry_after = failure._tag === "ServiceUnavailableError" ? failure.retry_after : undefined
    return unavailable({ cause: failure, ...(retry_after !== undefined && { retry_after }) })
  }

/** Returns the delay that the vendor asks for, in whole seconds. The field is absent if there is no delay. */
export const retryAfterOf = (verdict: CallVerdict.CallVerdict) =>
  Effect.map(Clock.currentTimeMillis, (now): { readonly retry_after?: number } => {
    const delay = CallVerdict.delayOf(verdict, now)
    return Duration.isGreaterThan(delay, Duration.zero)
      ? { retry_after: Math.ceil(Duration.toSeconds(delay)) }
      : {}
  })

/** A response and its body. */
export interface Answer {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly text: string
}

/** The failure to get an answer: no response, or a body over the limit. */
export type SendError = HttpClientError.HttpClientError | TooLongError

/**
 * Returns a function that sends a request and returns the response, whatever its status. It fails if there is no
 * response, or a body of more than `maxBytes`. Trace headers, which would show our ids to the vendor, are not sent.
 */
export const makeSend = (maxBytes: number) =>
  Effect.map(
    HttpClient.HttpClient,
    (client) => (request: HttpClientRequest.HttpClientRequest) =>
      client.execute(request).pipe(
        Effect.flatMap((response) =>
          Effect.map(textUpTo(maxBytes)(response), (text): Answer => ({ response, text })),
        ),
        Effect.provideService(HttpClient.TracerPropagationEnabled, false),
        // Following a redirect would send the request to another host.
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      ),
  )
