import { HttpServerResponse } from "effect/http"
import {
  AuthorizationError,
  BadRequestError,
  NotFoundError,
  PayloadTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
} from "../domain/Errors.ts"
import type { HeaderSet } from "./Headers.ts"
import { envelope, type FailureKind, internalError, kindOf, retryableStatuses } from "./Envelope.ts"

type Response = HttpServerResponse.HttpServerResponse

export const badRequest = kindOf(BadRequestError)
export const forbidden = kindOf(AuthorizationError)
export const payloadTooLarge = kindOf(PayloadTooLargeError)
export const requestTimeout = kindOf(RequestTimeoutError)
const notFound = kindOf(NotFoundError)
const unsupportedMediaType = kindOf(UnsupportedMediaTypeError)

/** A failure without an error class, because it occurs only in HTTP itself. */
export const methodNotAllowed: FailureKind = { code: "METHOD_NOT_ALLOWED", status: 405 }

export const failure = (
  { code, status }: FailureKind,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
) => HttpServerResponse.jsonUnsafe(envelope(code, message, details), { status })

export const notAllowed = (allowed: ReadonlyArray<string>) => {
  const allow = allowed.join(", ")
  return HttpServerResponse.setHeader(
    failure(methodNotAllowed, "Method not allowed", { allow }),
    "allow",
    allow,
  )
}

/** The failure of a status that the HTTP platform answers. `limit` is BODY_LIMIT_BYTES. */
export const platformFailure = (status: number, limit: number): Response => {
  switch (status) {
    case badRequest.status:
      return failure(badRequest, "Malformed request")
    case notFound.status:
      return failure(notFound, "Route not found", { resource: "Route" })
    case payloadTooLarge.status:
      return failure(payloadTooLarge, "The body is over the limit", { limit })
    case unsupportedMediaType.status:
      return failure(unsupportedMediaType, "The body must be application/json", {
        accepted: "application/json",
      })
    default:
      return failure(internalError, "Internal error")
  }
}

/** Replaces failures of the HTTP platform, which have no envelope. */
export const asEnvelope = (response: Response, limit: number) =>
  response.status < 400 || response.headers["content-type"] === "application/json"
    ? response
    : platformFailure(response.status, limit)

/** Statuses sent before the body was read to its end, so that the connection cannot be reused. */
export const unreadBodyStatuses: ReadonlySet<number> = new Set([408, 413])

/** Headers that repeat parts of a failure's envelope, which `text` is. */
export const failureHeaders = (status: number, text: string): HeaderSet | undefined => {
  if (status === 401) return authenticateHeader
  if (!retryableStatuses.has(status)) return undefined
  const retry = /"retry_after":(\d+)/.exec(text)?.[1]
  return retry === undefined ? undefined : { "retry-after": retry }
}

const authenticateHeader: HeaderSet = { "www-authenticate": "Bearer" }
