import { Record, Schema, SchemaAST, SchemaTransformation } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { echo } from "../domain/Echo.ts"
import { ConflictError, RateLimitError, ServiceUnavailableError } from "../domain/Errors.ts"

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

/** An error class: a `Schema.TaggedError` annotated with its HTTP status, code and example (`domain/Errors.ts`). */
type ErrorClass<A extends Error> = Schema.Codec<A, Readonly<Record<string, unknown>>> & {
  readonly identifier: string
}

/** The HTTP status of an error class, from its annotation. */
export const statusOf = SchemaAST.resolveAt<number>("httpApiStatus")

const codeAt = SchemaAST.resolveAt<string>("code")
const exampleAt = SchemaAST.resolveAt<Readonly<Record<string, unknown>>>("example")

/** The code and HTTP status of a failure. */
export interface FailureKind {
  readonly code: string
  readonly status: number
}

/** Reads the code and status of an error class. A class without them cannot be sent: it throws while modules load. */
export const kindOf = ({
  ast,
  identifier,
}: Schema.Top & { readonly identifier: string }): FailureKind => {
  const [code, status] = [codeAt(ast), statusOf(ast)]
  if (code !== undefined && status !== undefined) return { code, status }
  throw new Error(`${identifier} has no code or no httpApiStatus: annotate it (domain/Errors.ts)`)
}

/** The statuses of errors that may have `retry_after`, which is also sent as the `Retry-After` header. */
export const retryableStatuses: ReadonlySet<number> = new Set(
  [ConflictError, RateLimitError, ServiceUnavailableError].map((error) => kindOf(error).status),
)

/** The kind of a failure without a code, of which the caller learns nothing else. */
export const internalError: FailureKind = { code: "INTERNAL_ERROR", status: 500 }

/** Reads the code and status of a failure from its class. */
export const kindOfFailure = (failure: unknown): FailureKind => {
  const self = failure instanceof Error ? failure.constructor : undefined
  if (!Schema.isSchema(self)) return internalError
  const code = codeAt(self.ast)
  return code === undefined ? internalError : { code, status: statusOf(self.ast) ?? 500 }
}

const schemas = new Map<string, unknown>()

/** The wire schema of an error class, for contracts; clients decode it back to the class. */
export const enveloped = <A extends Error>(
  self: ErrorClass<A>,
): ReturnType<typeof makeEnveloped<A>> => {
  const known = schemas.get(self.identifier)
  if (known !== undefined) return known as ReturnType<typeof makeEnveloped<A>>
  const schema = makeEnveloped(self)
  schemas.set(self.identifier, schema)
  return schema
}

const makeEnveloped = <A extends Error>(self: ErrorClass<A>) => {
  const { code, status } = kindOf(self)
  const fromFields = Schema.decodeUnknownSync(self)
  const toFields = Schema.encodeSync(self)
  const toWire = (error: A) => {
    const { _tag, cause: _cause, ...details } = toFields(error)
    return { error: { code, message: error.message, details: Record.map(details, truncateText) } }
  }

  return wireSchema(code)
    .annotate({
      identifier: self.identifier,
      examples: [toWire(fromFields({ _tag: self.identifier, ...exampleAt(self.ast) }))],
    })
    .pipe(
      Schema.decodeTo(
        Schema.toType(self),
        SchemaTransformation.transform({
          decode: ({ error }) => fromFields({ ...error.details, _tag: self.identifier }),
          encode: toWire,
        }),
      ),
      HttpApiSchema.status(status),
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
