import { DateTime, type Duration, Effect, Schema, SchemaGetter } from "effect"
import { Model } from "effect/schema"

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
        Schema.makeFilter((value) => textIssue(value, min, max), {
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

const textIssue = (value: string, min: number, max: number) => {
  const issue = storageIssue(value)
  if (issue !== undefined) return issue
  const length = codePoints(value.trim())
  if (length < min) return min === 1 ? "must not be blank" : `must have at least ${min} characters`
  return length > max ? tooLong(max) : true
}

const verbatimIssue = (value: string, min: 0 | 1, max: number) => {
  const issue = storageIssue(value)
  if (issue !== undefined) return issue
  if (min === 1 && value.trim() === "") return "must not be blank"
  return value.length > max && codePoints(value) > max ? tooLong(max) : true
}

/** What PostgreSQL cannot store. */
const storageIssue = (value: string) => {
  if (value.includes("\0")) return "must not contain NUL"
  return value.isWellFormed() ? undefined : "must be well-formed Unicode"
}

const tooLong = (max: number) => `must have at most ${max} characters`

const codePoints = (value: string) => {
  let count = 0
  for (const _ of value) count += 1
  return count
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
export const now = Effect.map(DateTime.now, (time) => Timestamp.make(DateTime.formatIso(time)))

/** So long before now. */
export const ago = (duration: Duration.Input) =>
  Effect.map(DateTime.now, (time) =>
    Timestamp.make(DateTime.formatIso(DateTime.subtractDuration(time, duration))),
  )

/** So many ms after now. */
export const fromNow = (millis: number) =>
  Effect.map(DateTime.now, (time) =>
    Timestamp.make(DateTime.formatIso(DateTime.add(time, { milliseconds: millis }))),
  )

/** A JSON object: JSONB on PostgreSQL, TEXT on SQLite, the parsed value everywhere else. */
export const Json = Schema.Record(Schema.String, Schema.Unknown).annotate({ column: "json" })

/** BOOLEAN on PostgreSQL, INTEGER on SQLite. */
export const Bool = Schema.Boolean.annotate({ column: "boolean" })

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** How SQLite keeps the value, where it has no type of its own for it. */
      readonly column?: "json" | "boolean" | undefined
    }
  }
}
