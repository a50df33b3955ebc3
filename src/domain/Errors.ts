import { Schema } from "effect"

/**
 * What can fail on the way of a request, as types. The status of each is an annotation, its public form is
 * made in `api/Envelope.ts`: every field is public (`details`), the getter is the `message`. What must stay
 * private goes in `cause`, which never leaves the process. Those with `retryable` false fail again however often
 * a job meets them.
 */

/** A resource that does not exist, or that the caller may not know exists. */
export class NotFoundError extends Schema.TaggedError<NotFoundError>()(
  "NotFoundError",
  { resource: Schema.String, id: Schema.String },
  { httpApiStatus: 404 },
) {
  readonly retryable = false
  override get message() {
    return `${this.resource} not found`
  }
}

const conflicts = {
  duplicate: "already exists",
  email_taken: "with this e-mail belongs to another sign-in",
  last_admin: "is the last active admin",
  own_account: "is your own account",
  in_progress: "with this Idempotency-Key is still running",
  not_failed: "has neither failed nor been cancelled",
  ended: "has ended",
}

/**
 * A write that contradicts what is stored. `reason` tells which rule; `field` the column of a duplicate;
 * `retry_after`, in seconds, when it passes.
 */
export class ConflictError extends Schema.TaggedError<ConflictError>()(
  "ConflictError",
  {
    resource: Schema.String,
    reason: Schema.Literals([
      "duplicate",
      "email_taken",
      "last_admin",
      "own_account",
      "in_progress",
      "not_failed",
      "ended",
    ]),
    field: Schema.optionalKey(Schema.String),
    retry_after: Schema.optionalKey(Schema.Int),
  },
  { httpApiStatus: 409 },
) {
  readonly retryable = false
  override get message() {
    return `${this.resource} ${conflicts[this.reason]}`
  }
}

const authentications = {
  missing_token: "Authentication required",
  invalid_token: "The token is not valid",
  expired_token: "The token has expired",
}

/** No caller: the token is absent, not acceptable, or past its `exp`. */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>()(
  "AuthenticationError",
  { reason: Schema.Literals(["missing_token", "invalid_token", "expired_token"]) },
  { httpApiStatus: 401 },
) {
  readonly retryable = false
  override get message() {
    return authentications[this.reason]
  }
}

const authorizations = {
  deactivated: "This account is deactivated",
  role_required: "Your role does not allow this",
  superadmin_required: "Only a superadmin may do this",
}

/** A known caller who may not do this. */
export class AuthorizationError extends Schema.TaggedError<AuthorizationError>()(
  "AuthorizationError",
  { reason: Schema.Literals(["deactivated", "role_required", "superadmin_required"]) },
  { httpApiStatus: 403 },
) {
  readonly retryable = false
  override get message() {
    return authorizations[this.reason]
  }
}

/** The plan gives no more. `limit` and `used` in the unit of the metric; used is reserved, too. */
export class QuotaExceededError extends Schema.TaggedError<QuotaExceededError>()(
  "QuotaExceededError",
  { metric: Schema.String, limit: Schema.Int, used: Schema.Int },
  { httpApiStatus: 402 },
) {
  readonly retryable = false
  override get message() {
    return `The plan's limit of ${this.metric} is reached`
  }
}

/**
 * An input is wrong: `issues` say where (a dotted path) and why, never the value. `field` is the first path. `more` is
 * the number of issues beyond those that are told, when there are any.
 */
export class ValidationError extends Schema.TaggedError<ValidationError>()(
  "ValidationError",
  {
    issues: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })),
    field: Schema.String,
    more: Schema.optionalKey(Schema.Int),
  },
  { httpApiStatus: 422 },
) {
  readonly retryable = false
  override get message() {
    return "Request validation failed"
  }
}

/** Too many calls. After `retry_after` seconds one is allowed. */
export class RateLimitError extends Schema.TaggedError<RateLimitError>()(
  "RateLimitError",
  { retry_after: Schema.Int },
  { httpApiStatus: 429 },
) {
  override get message() {
    return "Too many requests"
  }
}

/** Something the request needs is not reachable, or not set up. `retry_after` in seconds, when it is known. */
export class ServiceUnavailableError extends Schema.TaggedError<ServiceUnavailableError>()(
  "ServiceUnavailableError",
  {
    service: Schema.String,
    retry_after: Schema.optionalKey(Schema.Int),
    cause: Schema.optionalKey(Schema.Defect()),
  },
  { httpApiStatus: 503 },
) {
  override get message() {
    return `${this.service} is unavailable`
  }
}

/** Failures of reading one entity: there is none, or the database cannot be reached. */
export type ReadError = NotFoundError | ServiceUnavailableError

/** The caller's deadline came before the answer: what was asked for may have happened. */
export class DeadlineExceededError extends Schema.TaggedError<DeadlineExceededError>()(
  "DeadlineExceededError",
  { timeout_ms: Schema.Int },
  { httpApiStatus: 504 },
) {
  override get message() {
    return `No answer within ${this.timeout_ms} ms`
  }
}

/** Somebody else's service failed, or did not answer in time. What it said goes in `cause`. */
export class ExternalServiceError extends Schema.TaggedError<ExternalServiceError>()(
  "ExternalServiceError",
  { service: Schema.String, cause: Schema.optionalKey(Schema.Defect()) },
  { httpApiStatus: 502 },
) {
  override get message() {
    return `${this.service} failed`
  }
}

/** A body that is not JSON, or not such JSON as we take; also bad framing. */
export class BadRequestError extends Schema.TaggedError<BadRequestError>()(
  "BadRequestError",
  { reason: Schema.String },
  { httpApiStatus: 400 },
) {
  override get message() {
    return this.reason
  }
}

/** A body of which nothing more came for a while. */
export class RequestTimeoutError extends Schema.TaggedError<RequestTimeoutError>()(
  "RequestTimeoutError",
  { reason: Schema.String },
  { httpApiStatus: 408 },
) {
  override get message() {
    return this.reason
  }
}

/** A body over the limit. `limit` in bytes. */
export class PayloadTooLargeError extends Schema.TaggedError<PayloadTooLargeError>()(
  "PayloadTooLargeError",
  { limit: Schema.Int },
  { httpApiStatus: 413 },
) {
  override get message() {
    return "The body is over the limit"
  }
}

/** A body of another type than the endpoint takes. `accepted` is that type. */
export class UnsupportedMediaTypeError extends Schema.TaggedError<UnsupportedMediaTypeError>()(
  "UnsupportedMediaTypeError",
  { accepted: Schema.String },
  { httpApiStatus: 415 },
) {
  override get message() {
    return `The body must be ${this.accepted}`
  }
}
