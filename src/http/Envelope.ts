import { Predicate, Record, Schema, SchemaAST, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import { echo } from "../domain/Echo.ts"

/**
 * The public form of every failure: `{ error: { code, message, details } }`. Domain errors are wrapped here and
 * nowhere else: their fields become `details`, except `cause`, which is private and never sent.
 */

const Details = Schema.Record(Schema.String, Schema.Unknown)

const wireSchema = <Code extends string>(code: Code) =>
  Schema.Struct({
    error: Schema.Struct({
      code: Schema.Literal(code),
      message: Schema.String,
      details: Details,
    }),
  })

/** The code and the example fields of each error class, by tag. A class without an entry cannot be sent. */
const classes: Readonly<Record<string, { readonly code: string; readonly example: object }>> = {
  BadRequestError: { code: "BAD_REQUEST", example: { reason: "Malformed JSON body" } },
  AuthenticationError: { code: "AUTHENTICATION_ERROR", example: { reason: "invalid_token" } },
  QuotaExceededError: {
    code: "QUOTA_EXCEEDED",
    example: { metric: "ai_tokens", limit: 100_000, used: 100_012 },
  },
  AuthorizationError: { code: "AUTHORIZATION_ERROR", example: { reason: "role_required" } },
  NotFoundError: {
    code: "NOT_FOUND",
    example: { resource: "Project", id: "0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" },
  },
  ConflictError: { code: "CONFLICT", example: { resource: "User", reason: "last_admin" } },
  PayloadTooLargeError: { code: "PAYLOAD_TOO_LARGE", example: { limit: 1_048_576 } },
  RequestTimeoutError: {
    code: "BAD_REQUEST",
    example: { reason: `No more of the body arrived for ${bodyIdleSeconds} seconds` },
  },
  UnsupportedMediaTypeError: {
    code: "UNSUPPORTED_MEDIA_TYPE",
    example: { accepted: "application/json" },
  },
  ValidationError: {
    code: "VALIDATION_ERROR",
    example: { issues: [{ path: "name", message: "must not be blank" }], field: "name" },
  },
  RateLimitError: { code: "RATE_LIMIT_EXCEEDED", example: { retry_after: 12 } },
  ExternalServiceError: { code: "EXTERNAL_SERVICE_ERROR", example: { service: "stripe" } },
  DeadlineExceededError: { code: "DEADLINE_EXCEEDED", example: { timeout_ms: 2000 } },
  ServiceUnavailableError: {
    code: "SERVICE_UNAVAILABLE",
    example: { service: "database", retry_after: 1 },
  },
}

/** The code of a failure; INTERNAL_ERROR for anything else. */
export const codeOf = (failure: unknown) =>
  (Predicate.hasProperty(failure, "_tag") && classes[String(failure._tag)]?.code) ||
  "INTERNAL_ERROR"

/** An error class: a `Schema.TaggedError` with its HTTP status as an annotation. */
type Failure<A extends Error> = Schema.Codec<A, Readonly<Record<string, unknown>>> & {
  readonly identifier: string
}

/** The HTTP status of an error class, from its annotation. */
export const statusOf = SchemaAST.resolveAt<number>("httpApiStatus")

const schemas = new Map<string, unknown>()

/** The wire schema of an error class, for contracts; clients decode it back to the class. */
export const enveloped = <A extends Error>(
  self: Failure<A>,
): ReturnType<typeof makeEnveloped<A>> => {
  const known = schemas.get(self.identifier)
  if (known !== undefined) return known as ReturnType<typeof makeEnveloped<A>>
  const schema = makeEnveloped(self)
  schemas.set(self.identifier, schema)
  return schema
}

const makeEnveloped = <A extends Error>(self: Failure<A>) => {
  const known = classes[self.identifier]
  if (known === undefined) throw new Error(`${self.identifier} has no code in the envelope`)
  const { code } = known
  const fromFields = Schema.decodeUnknownSync(self)
  const toFields = Schema.encodeSync(self)
  const toWire = (error: A) => {
    const { _tag, cause: _cause, ...details } = toFields(error)
    return { error: { code, message: error.message, details: Record.map(details, truncateText) } }
  }

  return wireSchema(code)
    .annotate({
      identifier: self.identifier,
      examples: [toWire(fromFields({ _tag: self.identifier, ...known.example }))],
    })
    .pipe(
      Schema.decodeTo(
        Schema.toType(self),
        SchemaTransformation.transform({
          decode: ({ error }) => fromFields({ ...error.details, _tag: self.identifier }),
          encode: toWire,
        }),
      ),
      HttpApiSchema.status(statusOf(self.ast) ?? 500),
    )
}

/** Clients may send ids of any length; errors repeat at most this much of one. */
const maxTextBytes = 255

const truncateText = (value: unknown) =>
  typeof value === "string" ? echo(value, maxTextBytes) : value

/** The envelope of a failure without an error class, which occurs only in HTTP itself. */
export const envelope = (
  code: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
) => ({ error: { code, message, details } })
