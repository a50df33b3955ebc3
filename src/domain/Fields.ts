import { Clock, DateTime, type Duration, Effect, Exit, Schema, SchemaGetter } from "effect"
import { Model } from "effect/schema"
import { rfc3339 } from "./Rfc3339.ts"
import { type JsonBounds, jsonIssue, textIssue } from "./Storable.ts"

/**
 * The kinds of columns. An entity is plain data with the same name for column, field and JSON key, so `select`,
 * `insert` and `json` are types without filters, which cost almost nothing to decode. Only client input has filters, in
 * `jsonCreate` and `jsonUpdate`.
 */

interface FieldSchemas<Plain extends Schema.Top, Input extends Schema.Top> {
  /** The column as stored and sent: a type without filters. */
  readonly plain: Plain
  /** The column as accepted from a client: with filters for its limits. */
  readonly input: Input
}

/** A required column. PATCH may omit it, which leaves it unchanged. */
export const Required = <Plain extends Schema.Top, Input extends Schema.Top>({
  plain,
  input,
}: FieldSchemas<Plain, Input>) =>
  Model.Field({
    select: plain,
    insert: plain,
    update: plain,
    json: plain,
    jsonCreate: input,
    jsonUpdate: Schema.optionalKey(input),
  })

/** A required column with a default: POST may omit it, which sets `value`. PATCH may omit it, which changes nothing. */
export const Defaulted = <Plain extends Schema.Top, Input extends Schema.Top>(
  { plain, input }: FieldSchemas<Plain, Input>,
  value: Input["Encoded"],
) =>
  Model.Field({
    select: plain,
    insert: plain,
    update: plain,
    json: plain,
    jsonCreate: input.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value))),
    jsonUpdate: Schema.optionalKey(input),
  })

/** A nullable column. POST may omit it, which sets null. PATCH may omit it, which changes nothing; null clears it. */
export const Nullable = <Plain extends Schema.Top, Input extends Schema.Top>({
  plain,
  input,
}: FieldSchemas<Plain, Input>) => {
  const nullable = Schema.NullOr(plain)
  const nullableInput = Schema.NullOr(input)
  return Model.Field({
    select: nullable,
    insert: nullable,
    update: nullable,
    json: nullable,
    jsonCreate: nullableInput.pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
    jsonUpdate: Schema.optionalKey(nullableInput),
  })
}

/** Text for people: trimmed, `min` (1) to `max` code points; no NUL or lone surrogate (PostgreSQL rejects them). */
export const text = (options: {
  readonly max: number
  readonly min?: number
  readonly example: string
  readonly description?: string
  /** The JSON Schema `format` for the OpenAPI document; not checked here. */
  readonly format?: string
}) => {
  const { example, max, min = 1, ...rest } = options
  const limits = { minLength: min, maxLength: max }
  const annotations = { examples: [example], ...rest }
  return {
    plain: Schema.String.annotate(annotations),
    input: Schema.String.annotate(annotations)
      .check(
        Schema.makeFilter((value) => boundsIssue(value, min, max), {
          toJsonSchema: () => limits,
        }),
      )
      .pipe(Schema.decode({ decode: trim, encode: SchemaGetter.passthrough() })),
  }
}

/** Text for machines: stored untrimmed, so that blanks count. Rejects the characters that `text` rejects. */
export const verbatim = ({
  example,
  max,
  min = 1,
}: {
  readonly max: number
  /** 0 accepts blank text. */
  readonly min?: 0 | 1
  readonly example: string
}) =>
  Schema.String.annotate({ examples: [example] }).check(
    Schema.makeFilter((value) => verbatimIssue(value, min, max), {
      toJsonSchema: () => ({ minLength: min, maxLength: max }),
    }),
  )

const trim = SchemaGetter.transform((value: string) => value.trim())

const boundsIssue = (value: string, min: number, max: number) => {
  const issue = textIssue(value)
  if (issue !== undefined) return issue
  const text = value.trim()
  if (!hasMoreCodePoints(text, min - 1)) {
    return min === 1 ? "must not be blank" : `must have at least ${min} characters`
  }
  return hasMoreCodePoints(text, max) ? tooLongMessage(max) : true
}

const verbatimIssue = (value: string, min: 0 | 1, max: number) => {
  const issue = textIssue(value)
  if (issue !== undefined) return issue
  if (min === 1 && value.trim() === "") return "must not be blank"
  return hasMoreCodePoints(value, max) ? tooLongMessage(max) : true
}

const tooLongMessage = (max: number) => `must have at most ${max} characters`

/** Tests for more than `count` code points. Most texts need no counting: a code point is 1 or 2 UTF-16 units. */
export const hasMoreCodePoints = (text: string, count: number) => {
  let excess = text.length - count
  if (excess <= 0 || text.length > 2 * count) return excess > 0
  for (let at = 0; excess > 0 && at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit >= 0xd800 && unit <= 0xdbff) excess -= 1
  }
  return excess > 0
}

/** RFC 3339 in UTC with milliseconds and `Z`, the same text in the column, the entity and the JSON. */
export const Timestamp = Schema.String.annotate({
  format: "date-time",
  examples: ["2026-11-25T09:30:00.000Z"],
}).pipe(Schema.brand("Timestamp"))
export type Timestamp = typeof Timestamp.Type

/** The time of creation, set once by the service. */
export const CreatedAt = Model.Field({ select: Timestamp, insert: Timestamp, json: Timestamp })

/** The time of the last write, set by the service. */
export const UpdatedAt = Model.Field({
  select: Timestamp,
  insert: Timestamp,
  update: Timestamp,
  json: Timestamp,
})

/** The current time of Effect's `Clock`, which tests can control. */
export const now = Effect.withFiber((fiber) =>
  Exit.succeed(Timestamp.make(rfc3339(fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()))),
)

/** The text of a time; a number is Unix milliseconds. */
export const timestampOf = (time: DateTime.DateTime.Input) =>
  Timestamp.make(rfc3339(DateTime.makeUnsafe(time).epochMilliseconds))

/** The time `duration` before now. */
export const ago = (duration: Duration.Input) =>
  Effect.map(DateTime.now, (time) => timestampOf(DateTime.subtractDuration(time, duration)))

/** The time `millis` ms after now. */
export const fromNow = (millis: number) =>
  Effect.map(DateTime.now, (time) => timestampOf(DateTime.add(time, { milliseconds: millis })))

/** A JSON object that the server writes: JSONB on PostgreSQL, JSON_TEXT on SQLite, the parsed value elsewhere. */
export const Json = Schema.Record(Schema.String, Schema.Unknown).annotate({ column: "json" })

/**
 * A JSON object from a client. It is stored unchanged except for the order of its keys, which is the same on both
 * databases. It is always an object, so that fields can be added and a JSON null never means a NULL column.
 */
export const json = (
  options: JsonBounds & { readonly example: Readonly<Record<string, unknown>> },
) => {
  const bounded = Json.annotate({
    description: `At most ${options.maxBytes} bytes of JSON, nested at most ${options.maxDepth} levels.`,
    examples: [options.example],
  })
  return {
    plain: bounded,
    input: bounded.check(
      Schema.makeFilter((value) => jsonIssue(value, options) ?? true, { toJsonSchema: () => ({}) }),
    ),
  }
}

/** A list of texts, each validated by `item`: TEXT[] on PostgreSQL, JSON_TEXT on SQLite. */
export const textList = (options: {
  readonly maxItems: number
  readonly item: ReturnType<typeof text>
  readonly example: ReadonlyArray<string>
}) => {
  const { plain, input } = options.item
  return {
    plain: Schema.Array(plain).annotate({ examples: [options.example] }),
    input: list(input, { max: options.maxItems }),
  }
}

/** A boolean: BOOLEAN on PostgreSQL, INTEGER on SQLite. */
export const Bool = Schema.Boolean.annotate({ column: "boolean" })

/** A list from a client. A list of the wrong length is one issue; its items are not decoded. */
export const list = <Item extends Schema.Top>(
  item: Item,
  { max, min = 0 }: { readonly max: number; readonly min?: number },
) =>
  Schema.declare<ReadonlyArray<Item["Encoded"]>>(
    (value): value is ReadonlyArray<Item["Encoded"]> => Array.isArray(value),
    { expected: "array", toCodecJson: () => undefined },
  )
    .check(
      Schema.makeFilter(({ length }) => lengthIssue(length, min, max), {
        representation: {
          id: "plinth/domain/Fields/list",
          payload: null,
          schemas: [Schema.toEncoded(Schema.toCodecJson(item)).ast],
        },
        toJsonSchema: ({ schemas: [items = {}] }) => ({
          type: "array",
          items,
          minItems: min,
          maxItems: max,
        }),
      }),
    )
    .pipe(Schema.decodeTo(Schema.Array(item)))

const lengthIssue = (length: number, min: number, max: number) => {
  if (length < min) return `must have at least ${itemCount(min)}`
  return length > max ? `must have at most ${itemCount(max)}` : true
}

const itemCount = (items: number) => (items === 1 ? "1 item" : `${items} items`)

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** The kind of a value for which SQLite has no type. */
      readonly column?: "json" | "boolean" | undefined
    }
  }
}
