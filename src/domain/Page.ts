import { DateTime, Effect, Option, Result, Schema, SchemaTransformation } from "effect"
import { Base64Url } from "effect/encoding"
import { text, Timestamp } from "./Fields.ts"

const integer = (minimum: number, maximum: number, fallback: number) =>
  Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(String(fallback))),
  )

/** `?skip` (0..) and `?limit` (1..100, default 20). */
export const skip = integer(0, Number.MAX_SAFE_INTEGER, 0)
export const limit = integer(1, 100, 20)

/** `?days`: the last days, including today. `?limit` of a ranking. */
export const days = integer(1, 365, 30)
export const daysOfQuarter = integer(1, 90, 30)
export const topLimit = integer(1, 100, 10)

/** `?search`: a case-insensitive substring. */
export const search = Schema.optionalKey(text({ max: 255, min: 0, example: "engine" }).input)

/** The offset and size of a page. */
export interface Window {
  readonly skip: number
  readonly limit: number
}

/** One page by offset, with the total number of items. */
export interface Page<A> extends Window {
  readonly items: ReadonlyArray<A>
  readonly total: number
}

/** One page by cursor: page 10,000 costs as much as page 1. */
export interface CursorPage<A> {
  readonly items: ReadonlyArray<A>
  readonly next_cursor: string | null
  readonly limit: number
}

export const Page = <S extends Schema.Top>(items: S) =>
  Schema.Struct({
    items: Schema.Array(items),
    total: Schema.Int,
    skip: Schema.Int,
    limit: Schema.Int,
  })

export const CursorPage = <S extends Schema.Top>(items: S) =>
  Schema.Struct({
    items: Schema.Array(items),
    next_cursor: Schema.NullOr(Schema.String),
    limit: Schema.Int,
  })

/** The last row of a cursor page, in the order newest first. Both fields are empty before the first row. */
export const Position = Schema.Struct({ created_at: Timestamp, id: Schema.String })
export type Position = typeof Position.Type

/** A position as the opaque text of `?cursor`. The empty text starts at the newest row. */
export const Cursor = Schema.String.check(
  Schema.isPattern(/^(?:[\w-]{8,512})?$/u, { message: "must be a next_cursor of this list" }),
).pipe(
  Schema.decodeTo(
    Position.check(
      Schema.makeFilter(
        ({ created_at, id }) =>
          (id === "" && created_at === "") ||
          (isTimestamp(created_at) && id !== "" && !id.includes("\0") && id.isWellFormed()) ||
          "must be a next_cursor of this list",
      ),
    ),
    SchemaTransformation.transform({ decode: fromCursor, encode: toCursor }),
  ),
)

/** Rejects dates that do not exist, such as 31 February: PostgreSQL would fail on them. */
const isTimestamp = (text: string) =>
  /^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) &&
  Option.exists(DateTime.make(text), (time) => DateTime.formatIso(time) === text)

export function toCursor({ created_at, id }: typeof Position.Encoded) {
  return Base64Url.encode(`${created_at} ${id}`)
}

function fromCursor(cursor: string) {
  // Invalid base64url must not decode to the empty cursor, which is the first page.
  const text = Result.getOrElse(Base64Url.decodeString(cursor), () => "?")
  const [created_at = "", ...id] = text.split(" ")
  return { created_at, id: id.join(" ") }
}
