import { Effect, Schema, SchemaTransformation } from "effect"
import { Rpc } from "effect/rpc"
import { enveloped } from "../http/Envelope.ts"
import * as Bounds from "../domain/Bounds.ts"
import { ValidationError } from "../domain/Errors.ts"
import { verbatim } from "../domain/Fields.ts"

/** A user's id, the `sub` of their tokens. */
export const userId = verbatim({ max: Bounds.maxLength.userId, example: "user_2abc" }).pipe(
  Schema.brand("UserId"),
)

/** The page of a list: rows to skip, and rows to return at most. */
export const window = {
  skip: Schema.Int.check(Schema.isGreaterThanOrEqualTo(Bounds.skip.minimum)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(Bounds.skip.default)),
  ),
  limit: Bounds.integer(Bounds.trustedPageSize),
}

/**
 * A payload schema that accepts any JSON, typed as the encoded input. The handler decodes the payload, so that bad
 * input is a `ValidationError`, as in REST; refused by the payload's own schema, it would be a defect without details.
 */
const encodedPayload = <Input extends Schema.Top>(_input: Input) =>
  Schema.declare<Input["Encoded"]>(
    (value): value is Input["Encoded"] => typeof value !== "symbol",
    {
      toCodecJson: () =>
        Schema.link<Input["Encoded"]>()(Schema.Unknown, SchemaTransformation.passthrough()),
    },
  )

/** Encodes a defect as `INTERNAL_ERROR`, without its details. */
const internalDefect = Schema.Unknown.pipe(
  Schema.encodeTo(
    Schema.Literal("INTERNAL_ERROR"),
    SchemaTransformation.transform({
      decode: (): unknown => new Error("Internal error"),
      encode: () => "INTERNAL_ERROR" as const,
    }),
  ),
)

interface Options<
  Input extends Schema.Top,
  Success extends Schema.Top,
  Failures extends ReadonlyArray<Schema.Top>,
> {
  /** The schema that the handler decodes the payload with. */
  readonly input: Input
  readonly success: Success
  readonly error: Failures
}

/** A method of the RPC contract. */
export const method = <
  const Tag extends string,
  Input extends Schema.Top,
  Success extends Schema.Top,
  const Failures extends ReadonlyArray<Schema.Top>,
>(
  tag: Tag,
  { error, input, success }: Options<Input, Success, Failures>,
) =>
  Rpc.make(tag, {
    payload: encodedPayload(input),
    success,
    error: withValidationError(error),
    defect: internalDefect,
  })

/** A method of the RPC contract that answers with a stream. */
export const streamingMethod = <
  const Tag extends string,
  Input extends Schema.Top,
  Success extends Schema.Top,
  const Failures extends ReadonlyArray<Schema.Top>,
>(
  tag: Tag,
  { error, input, success }: Options<Input, Success, Failures>,
) =>
  Rpc.make(tag, {
    payload: encodedPayload(input),
    success,
    error: withValidationError(error),
    defect: internalDefect,
    stream: true,
  })

/** Adds the error that every method can have: an invalid payload. */
const withValidationError = <const Failures extends ReadonlyArray<Schema.Top>>(
  failures: Failures,
) => Schema.Union([enveloped(ValidationError), ...failures])
