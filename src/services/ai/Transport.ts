import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Failure from "./Failure.ts"

/** The headers that an SDK may send. SDKs read others from the environment (OPENAI_CUSTOM_HEADERS). */
const allowedHeaders = new Set([
  "accept",
  "content-type",
  "user-agent",
  "authorization",
  "x-goog-api-key",
  "anthropic-version",
  "idempotency-key",
])

/**
 * The `fetch` of the SDKs. Turns error responses into a `Refusal` here, because their headers are not available later.
 */
export const vendorFetch = Effect.map(
  FetchHttpClient.Fetch,
  (fetch) =>
    (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const headers = [...new Headers(init?.headers)].filter(([name]) => allowedHeaders.has(name))
      // Following a redirect would send the prompt to another host.
      return fetch(url, { ...init, headers, redirect: "manual" }).then(
        (response) => (response.ok ? response : rejectResponse(response)),
        (cause: unknown) => Promise.reject(init?.signal?.aborted === true ? cause : unreachable),
      )
    },
)

/** A lost connection, such as a kept-alive one that the vendor closes at this moment. */
const unreachable = new Failure.Refusal({ failure: Failure.unreachable })

const rejectResponse = (response: Response) =>
  response.text().then((body) => {
    const { headers, status } = response
    return Promise.reject(
      new Failure.Refusal({ failure: Failure.fromResponse(status, body, retryAfterIn(headers)) }),
    )
  })

/** Returns the value of `Retry-After`. OpenAI also sends it in milliseconds. */
const retryAfterIn = (headers: Headers) => {
  const milliseconds = Number(headers.get("retry-after-ms") ?? Number.NaN)
  return milliseconds >= 0
    ? String(Math.ceil(milliseconds / 1000))
    : (headers.get("retry-after") ?? undefined)
}
