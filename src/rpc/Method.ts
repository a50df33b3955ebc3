import { Effect, Schema, SchemaTransformation } from "effect"
import { Rpc } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import { ValidationError } from "../domain/Errors.ts"
import { verbatim } from "../domain/Fields.ts"

/** A user's id, which is the `sub` of his tokens. */
export const userId = verbatim({ max: 255, example: "user_2abc" }).pipe(Schema.brand("UserId"))

/** Of a list: how many to pass over, and how many at most. Callers are trusted with larger pages than those of REST. */
export const window = {
  skip: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(0)),
  ),
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(20)),
  ),
}

/**
 * What a caller sends, as its type says or not: the handler decodes it, so that bad input is a `ValidationError` here
 * as it is in REST. What the schema of a payload itself refuses is a defect, which says nothing; this one takes all JSON.
 */
const encodedPayload = <Input extends Schema.Top>(_input: Input) =>
  Schema.declare<Input["Encoded"]>(
    (value): value is Input["Encoded"] => typeof value !== "symbol",
    {
      toCodecJson: () =>
        Schema.link<Input["Encoded"]>()(Schema.Unknown, SchemaTransformation.passthrough()),
    },
  )

/** A bug of the server's says no more than that there is one. */
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
  /** What the handler decodes, from what is sent. */
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

/** The same, whose answer is a stream. */
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

/** Every method takes something that can be wrong. */
const withValidationError = <const Failures extends ReadonlyArray<Schema.Top>>(
  failures: Failures,
) => Schema.Union([enveloped(ValidationError), ...failures])
