import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Failure from "./Failure.ts"

/** What an SDK may send. Others would come from variables that it reads by itself (OPENAI_CUSTOM_HEADERS). */
const sent = new Set([
  "accept",
  "content-type",
  "user-agent",
  "authorization",
  "x-goog-api-key",
  "anthropic-version",
  "idempotency-key",
])

/**
 * How the SDKs reach their vendors. What is not an answer is read here, while its headers are known, and fails as a
 * `Refusal`.
 */
export const fetching = Effect.map(
  FetchHttpClient.Fetch,
  (fetch) =>
    (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const headers = [...new Headers(init?.headers)].filter(([name]) => sent.has(name))
      // The prompt would go to whoever is named.
      return fetch(url, { ...init, headers, redirect: "manual" }).then(
        (response) => (response.ok ? response : refused(response)),
        (cause: unknown) => Promise.reject(init?.signal?.aborted === true ? cause : lost),
      )
    },
)

/** As when a connection was kept that the vendor closes in that moment. */
const lost = new Failure.Refusal({ failure: Failure.unreached })

const refused = (response: Response) =>
  response.text().then((body) => {
    const { headers, status } = response
    return Promise.reject(
      new Failure.Refusal({ failure: Failure.ofAnswer(status, body, retryAfterIn(headers)) }),
    )
  })

/** OpenAI tells it in milliseconds, too. */
const retryAfterIn = (headers: Headers) => {
  const milliseconds = Number(headers.get("retry-after-ms") ?? Number.NaN)
  return milliseconds >= 0
    ? String(Math.ceil(milliseconds / 1000))
    : (headers.get("retry-after") ?? undefined)
}
