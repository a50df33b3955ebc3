import { HttpServerResponse } from "effect/http"
import { envelope } from "./Envelope.ts"

type Response = HttpServerResponse.HttpServerResponse

/** Failures without an error class, because they occur only in HTTP itself. */

export const failure = (
  status: number,
  code: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
) => HttpServerResponse.jsonUnsafe(envelope(code, message, details), { status })

export const notAllowed = (allowed: ReadonlyArray<string>) => {
  const allow = allowed.join(", ")
  return HttpServerResponse.setHeader(
    failure(405, "METHOD_NOT_ALLOWED", "Method not allowed", { allow }),
    "allow",
    allow,
  )
}

/** The failure of a status that the HTTP platform answers. `limit` is BODY_LIMIT_BYTES. */
export const platformFailure = (status: number, limit: number): Response => {
  switch (status) {
    case 400:
      return failure(400, "BAD_REQUEST", "Malformed request")
    case 404:
      return failure(404, "NOT_FOUND", "Route not found", { resource: "Route" })
    case 413:
      return failure(413, "PAYLOAD_TOO_LARGE", "The body is over the limit", { limit })
    case 415:
      return failure(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json", {
        accepted: "application/json",
      })
    default:
      return failure(500, "INTERNAL_ERROR", "Internal error")
  }
}

/** Replaces failures of the HTTP platform, which have no envelope. */
export const asEnvelope = (response: Response, limit: number) =>
  response.status < 400 || response.headers["content-type"] === "application/json"
    ? response
    : platformFailure(response.status, limit)

/** Statuses whose failure may carry `retry_after`. */
const retryableStatuses = new Set([409, 429, 503])

/** Headers that repeat parts of a failure's envelope. */
export const failureHeaders = ({ body, status }: Response) => {
  if (status === 401) return { "www-authenticate": "Bearer" }
  if (!retryableStatuses.has(status) || body._tag !== "Uint8Array") return undefined
  const retry = /"retry_after":(\d+)/.exec(new TextDecoder().decode(body.body))?.[1]
  return retry === undefined ? undefined : { "retry-after": retry }
}
