import { DateTime, type Duration, Effect, Schema, SchemaGetter } from "effect"
import { Model } from "effect/schema"
import { type JsonBounds, jsonIssue, textIssue } from "./Storable.ts"

/**
 * The kinds of columns. An entity is plain data with one name for column, field and wire, so `select`, `insert`
 * and `json` are bare types, which cost nearly nothing to decode; filters stand where input comes in:
 * `jsonCreate` and `jsonUpdate`.
 */

interface Variants<Bare extends Schema.Top, Input extends Schema.Top> {
  /** As stored and sent: a bare type, its limits as annotations. */
  readonly bare: Bare
  /** As accepted from a client: with the limits as filters. */
  readonly input: Input
}

/** A required column. PATCH may leave it out, which keeps it. */
export const Required = <Bare extends Schema.Top, Input extends Schema.Top>({
  bare,
  input,
}: Variants<Bare, Input>) =>
  Model.Field({
    select: bare,
    insert: bare,
    update: bare,
    json: bare,
    jsonCreate: input,
    jsonUpdate: Schema.optionalKey(input),
  })

/** A required column that POST may leave out, which is `value`. PATCH may leave it out, which keeps it. */
export const Defaulted = <Bare extends Schema.Top, Input extends Schema.Top>(
  { bare, input }: Variants<Bare, Input>,
  value: Input["Encoded"],
) =>
  Model.Field({
    select: bare,
    insert: bare,
    update: bare,
    json: bare,
    jsonCreate: input.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value))),
    jsonUpdate: Schema.optionalKey(input),
  })

/** A nullable column. POST may leave it out, which is null; PATCH may, which keeps it; null clears it. */
export const Nullable = <Bare extends Schema.Top, Input extends Schema.Top>({
  bare,
  input,
}: Variants<Bare, Input>) => {
  const nullable = Schema.NullOr(bare)
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

/** Text for people: trimmed, then 1 to `max` code points; no NUL and no lone surrogate, which PostgreSQL cannot store. */
export const text = (options: {
  readonly max: number
  readonly min?: number
  readonly example: string
  /** Of JSON Schema, told in the OpenAPI document; checking it is the caller's. */
  readonly format?: string
}) => {
  const min = options.min ?? 1
  const { max } = options
  const limits = { minLength: min, maxLength: max }
  const annotations = {
    examples: [options.example],
    ...(options.format !== undefined && { format: options.format }),
  }
  return {
    bare: Schema.String.annotate(annotations),
    input: Schema.String.annotate(annotations)
      .check(
        Schema.makeFilter((value) => boundsIssue(value, min, max), {
          toJsonSchema: () => limits,
        }),
      )
      .pipe(Schema.decode({ decode: trimmed, encode: SchemaGetter.passthrough() })),
  }
}

/** Text for machines: kept as it is, so that its blanks count for its length, but for what `text` refuses. */
export const verbatim = ({
  example,
  max,
  min = 1,
}: {
  readonly max: number
  /** 0 takes blank text. */
  readonly min?: 0 | 1
  readonly example: string
}) =>
  Schema.String.annotate({ examples: [example] }).check(
    Schema.makeFilter((value) => verbatimIssue(value, min, max), {
      toJsonSchema: () => ({ minLength: min, maxLength: max }),
    }),
  )

const trimmed = SchemaGetter.transform((value: string) => value.trim())

const boundsIssue = (value: string, min: number, max: number) => {
  const issue = textIssue(value)
  if (issue !== undefined) return issue
  const text = value.trim()
  if (!hasOver(text, min - 1)) {
    return min === 1 ? "must not be blank" : `must have at least ${min} characters`
  }
  return hasOver(text, max) ? tooLong(max) : true
}

const verbatimIssue = (value: string, min: 0 | 1, max: number) => {
  const issue = textIssue(value)
  if (issue !== undefined) return issue
  if (min === 1 && value.trim() === "") return "must not be blank"
  return hasOver(value, max) ? tooLong(max) : true
}

const tooLong = (max: number) => `must have at most ${max} characters`

/** Whether well-formed text has more code points than `count`. Most texts need no counting: a code point is 1 or 2 units. */
const hasOver = (text: string, count: number) => {
  let over = text.length - count
  if (over <= 0 || text.length > 2 * count) return over > 0
  for (let at = 0; over > 0 && at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit >= 0xd800 && unit <= 0xdbff) over -= 1
  }
  return over > 0
}

/** RFC 3339, UTC, milliseconds, `Z`: one text in column, entity and wire. */
export const Timestamp = Schema.String.annotate({
  format: "date-time",
  examples: ["2026-11-25T09:30:00.000Z"],
}).pipe(Schema.brand("Timestamp"))
export type Timestamp = typeof Timestamp.Type

/** Set once, by the service. */
export const CreatedAt = Model.Field({ select: Timestamp, insert: Timestamp, json: Timestamp })

/** Set by the service at every write. */
export const UpdatedAt = Model.Field({
  select: Timestamp,
  insert: Timestamp,
  update: Timestamp,
  json: Timestamp,
})

/** The time of the Clock, which a test may own. */
export const now = Effect.map(DateTime.now, (time) => timestampOf(time))

/** The text of a time; a number is Unix milliseconds. */
export const timestampOf = (time: DateTime.DateTime.Input) =>
  Timestamp.make(DateTime.formatIso(DateTime.makeUnsafe(time)))

/** So long before now. */
export const ago = (duration: Duration.Input) =>
  Effect.map(DateTime.now, (time) => timestampOf(DateTime.subtractDuration(time, duration)))

/** So many ms after now. */
export const fromNow = (millis: number) =>
  Effect.map(DateTime.now, (time) => timestampOf(DateTime.add(time, { milliseconds: millis })))

/** A JSON object that we write: JSONB on PostgreSQL, JSON_TEXT on SQLite, the parsed value everywhere else. */
export const Json = Schema.Record(Schema.String, Schema.Unknown).annotate({ column: "json" })

/**
 * A JSON object from a client. It is stored as it came but for the order of its keys, which is the same on both
 * databases. Always an object: it can grow, and its null is never that of the column.
 */
export const json = (
  options: JsonBounds & { readonly example: Readonly<Record<string, unknown>> },
) => {
  const bounded = Json.annotate({
    description: `At most ${options.maxBytes} bytes of JSON, nested at most ${options.maxDepth} levels.`,
    examples: [options.example],
  })
  return {
    bare: bounded,
    input: bounded.check(
      Schema.makeFilter((value) => jsonIssue(value, options) ?? true, { toJsonSchema: () => ({}) }),
    ),
  }
}

/** A list of texts, each as `item` says: TEXT[] on PostgreSQL, JSON_TEXT on SQLite. */
export const textList = (options: {
  readonly maxItems: number
  readonly item: ReturnType<typeof text>
  readonly example: ReadonlyArray<string>
}) => {
  const { bare, input } = options.item
  return {
    bare: Schema.Array(bare).annotate({ examples: [options.example] }),
    input: list(input, { max: options.maxItems }),
  }
}

/** BOOLEAN on PostgreSQL, INTEGER on SQLite. */
export const Bool = Schema.Boolean.annotate({ column: "boolean" })

/** A list of a client's. One of another length is one issue, and none of its items is decoded. */
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
  if (length < min) return `must have at least ${counted(min)}`
  return length > max ? `must have at most ${counted(max)}` : true
}

const counted = (items: number) => (items === 1 ? "1 item" : `${items} items`)

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** How SQLite keeps the value, where it has no type of its own for it. */
      readonly column?: "json" | "boolean" | undefined
    }
  }
}
