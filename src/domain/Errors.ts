import { Schema, Struct } from "effect"
import { bodyIdleSeconds } from "./Bounds.ts"

/**
 * The expected failures of requests, as types. Annotations hold the HTTP status, the code and an example;
 * `http/Envelope.ts` builds the public form. Every field is public (`details`), and the getter is the `message`. Private
 * information goes in `cause`, which never leaves the process. A job does not retry an error with `retryable` false.
 */

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** The `code` of an error on the wire. */
      readonly code?: string | undefined
      /** Fields of an error that the OpenAPI document shows as its example. */
      readonly example?: Readonly<Record<string, unknown>> | undefined
    }
  }
}

/** A resource that does not exist, or whose existence the caller may not learn. */
export class NotFoundError extends Schema.TaggedError<NotFoundError>()(
  "NotFoundError",
  { resource: Schema.String, id: Schema.String },
  {
    httpApiStatus: 404,
    code: "NOT_FOUND",
    example: { resource: "Project", id: "0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" },
  },
) {
  readonly retryable = false
  override get message() {
    return `${this.resource} not found`
  }
}

const conflictMessages = {
  duplicate: "already exists",
  email_taken: "with this e-mail already exists under another sign-in",
  last_admin: "is the last active admin",
  own_account: "is your own account",
  in_progress: "with this Idempotency-Key is still running",
  not_failed: "has neither failed nor been cancelled",
  ended: "has ended",
}

/**
 * A write that conflicts with stored data. `reason` names the rule, and `field` the column of a duplicate.
 * `retry_after`, in seconds, is set when the conflict will pass.
 */
export class ConflictError extends Schema.TaggedError<ConflictError>()(
  "ConflictError",
  {
    resource: Schema.String,
    reason: Schema.Literals(Struct.keys(conflictMessages)),
    field: Schema.optionalKey(Schema.String),
    retry_after: Schema.optionalKey(Schema.Int),
  },
  { httpApiStatus: 409, code: "CONFLICT", example: { resource: "User", reason: "last_admin" } },
) {
  readonly retryable = false
  override get message() {
    return `${this.resource} ${conflictMessages[this.reason]}`
  }
}

const authenticationMessages = {
  missing_token: "Authentication required",
  invalid_token: "The token is not valid",
  expired_token: "The token has expired",
}

/** The token is missing, not valid, or past its `exp`. */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>()(
  "AuthenticationError",
  { reason: Schema.Literals(Struct.keys(authenticationMessages)) },
  { httpApiStatus: 401, code: "AUTHENTICATION_ERROR", example: { reason: "invalid_token" } },
) {
  /** One error for each reason: recording a stack for each would double the cost of a refusal. */
  static readonly by = {
    missing_token: new AuthenticationError({ reason: "missing_token" }),
    invalid_token: new AuthenticationError({ reason: "invalid_token" }),
    expired_token: new AuthenticationError({ reason: "expired_token" }),
  }
  readonly retryable = false
  override get message() {
    return authenticationMessages[this.reason]
  }
}

const authorizationMessages = {
  deactivated: "This account is deactivated",
  role_required: "Your role does not allow this",
  superadmin_required: "Only a superadmin may do this",
}

/** The caller is known but not allowed to do this. */
export class AuthorizationError extends Schema.TaggedError<AuthorizationError>()(
  "AuthorizationError",
  { reason: Schema.Literals(Struct.keys(authorizationMessages)) },
  { httpApiStatus: 403, code: "AUTHORIZATION_ERROR", example: { reason: "role_required" } },
) {
  readonly retryable = false
  override get message() {
    return authorizationMessages[this.reason]
  }
}

/** A plan's limit is reached. `limit` and `used` are in the metric's unit; `used` includes reservations. */
export class QuotaExceededError extends Schema.TaggedError<QuotaExceededError>()(
  "QuotaExceededError",
  { metric: Schema.String, limit: Schema.Int, used: Schema.Int },
  {
    httpApiStatus: 402,
    code: "QUOTA_EXCEEDED",
    example: { metric: "ai_tokens", limit: 100_000, used: 100_012 },
  },
) {
  readonly retryable = false
  override get message() {
    return `The plan's limit for ${this.metric} is reached`
  }
}

/**
 * The input is not valid. Each issue has a dotted path and a message, never the value. `field` is the first path.
 * `more` is the number of issues that are not listed, if any.
 */
export class ValidationError extends Schema.TaggedError<ValidationError>()(
  "ValidationError",
  {
    issues: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })),
    field: Schema.String,
    more: Schema.optionalKey(Schema.Int),
  },
  {
    httpApiStatus: 422,
    code: "VALIDATION_ERROR",
    example: { issues: [{ path: "name", message: "must not be blank" }], field: "name" },
  },
) {
  readonly retryable = false
  override get message() {
    return "Request validation failed"
  }
}

/** Too many calls. The next one is allowed after `retry_after` seconds. */
export class RateLimitError extends Schema.TaggedError<RateLimitError>()(
  "RateLimitError",
  { retry_after: Schema.Int },
  { httpApiStatus: 429, code: "RATE_LIMIT_EXCEEDED", example: { retry_after: 12 } },
) {
  override get message() {
    return "Too many requests"
  }
}

/** A dependency is unreachable or not configured. `retry_after` is in seconds, when known. */
export class ServiceUnavailableError extends Schema.TaggedError<ServiceUnavailableError>()(
  "ServiceUnavailableError",
  {
    service: Schema.String,
    retry_after: Schema.optionalKey(Schema.Int),
    cause: Schema.optionalKey(Schema.Defect()),
  },
  {
    httpApiStatus: 503,
    code: "SERVICE_UNAVAILABLE",
    example: { service: "database", retry_after: 1 },
  },
) {
  override get message() {
    return `${this.service} is unavailable`
  }
}

/** Failures of reading one entity: it does not exist, or the database is unreachable. */
export type ReadError = NotFoundError | ServiceUnavailableError

/** The caller's deadline passed before the response: the operation may have taken effect. */
export class DeadlineExceededError extends Schema.TaggedError<DeadlineExceededError>()(
  "DeadlineExceededError",
  { timeout_ms: Schema.Int },
  { httpApiStatus: 504, code: "DEADLINE_EXCEEDED", example: { timeout_ms: 2000 } },
) {
  override get message() {
    return `No answer within ${this.timeout_ms} ms`
  }
}

/** An external service failed or timed out. Its response goes in `cause`. */
export class ExternalServiceError extends Schema.TaggedError<ExternalServiceError>()(
  "ExternalServiceError",
  { service: Schema.String, cause: Schema.optionalKey(Schema.Defect()) },
  { httpApiStatus: 502, code: "EXTERNAL_SERVICE_ERROR", example: { service: "stripe" } },
) {
  override get message() {
    return `${this.service} failed`
  }
}

/** The body is not acceptable JSON, or its framing is wrong. */
export class BadRequestError extends Schema.TaggedError<BadRequestError>()(
  "BadRequestError",
  { reason: Schema.String },
  { httpApiStatus: 400, code: "BAD_REQUEST", example: { reason: "Malformed JSON body" } },
) {
  override get message() {
    return this.reason
  }
}

/** The client stopped sending the body. */
export class RequestTimeoutError extends Schema.TaggedError<RequestTimeoutError>()(
  "RequestTimeoutError",
  { reason: Schema.String },
  {
    httpApiStatus: 408,
    code: "BAD_REQUEST",
    example: { reason: `No more of the body arrived for ${bodyIdleSeconds} seconds` },
  },
) {
  override get message() {
    return this.reason
  }
}

/** The body exceeds `limit` bytes. */
export class PayloadTooLargeError extends Schema.TaggedError<PayloadTooLargeError>()(
  "PayloadTooLargeError",
  { limit: Schema.Int },
  { httpApiStatus: 413, code: "PAYLOAD_TOO_LARGE", example: { limit: 1_048_576 } },
) {
  override get message() {
    return "The body is over the limit"
  }
}

/** The body has the wrong content type; `accepted` is the right one. */
export class UnsupportedMediaTypeError extends Schema.TaggedError<UnsupportedMediaTypeError>()(
  "UnsupportedMediaTypeError",
  { accepted: Schema.String },
  { httpApiStatus: 415, code: "UNSUPPORTED_MEDIA_TYPE", example: { accepted: "application/json" } },
) {
  override get message() {
    return `The body must be ${this.accepted}`
  }
}
