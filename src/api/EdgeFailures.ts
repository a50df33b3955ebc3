import { HttpServerResponse } from "effect/http"
import { envelope } from "./Envelope.ts"

type Response = HttpServerResponse.HttpServerResponse

/** The failures that have no class, because only HTTP itself can fail that way. */

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

/** The failures that HTTP itself can make, by status. */
export const platformFailure = (status: number, limit: number): Response => {
  switch (status) {
    case 400:
      return failure(400, "BAD_REQUEST", "Malformed request")
    case 404:
      return failure(404, "NOT_FOUND", "No such route", { resource: "Route" })
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

/** Where the platform answers a failure by itself, it does so without our body. */
export const asEnvelope = (response: Response, limit: number) =>
  response.status < 400 || response.headers["content-type"] === "application/json"
    ? response
    : platformFailure(response.status, limit)

/** The failures that can say when to try again. */
const retried = new Set([409, 429, 503])

/** The headers that belong to a failure, from its own envelope. */
export const failureHeaders = ({ body, status }: Response) => {
  if (status === 401) return { "www-authenticate": "Bearer" }
  if (!retried.has(status) || body._tag !== "Uint8Array") return undefined
  const retry = /"retry_after":(\d+)/.exec(new TextDecoder().decode(body.body))?.[1]
  return retry === undefined ? undefined : { "retry-after": retry }
}
