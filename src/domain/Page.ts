import { DateTime, Option, Result, Schema, SchemaTransformation } from "effect"
import { Base64Url } from "effect/encoding"
import * as Bounds from "./Bounds.ts"
import { text, Timestamp } from "./Fields.ts"

/** The query parameters `?skip` and `?limit`. */
export const skip = Bounds.integerText(Bounds.skip, "The number of items to skip.")
const limitDescription = "The maximum number of items to return."
export const limit = Bounds.integerText(Bounds.pageSize, limitDescription)
/** `?limit` of a ranking. */
export const topLimit = Bounds.integerText(Bounds.topUsers, limitDescription)

const daysDescription = "The number of days (UTC), up to and including today."
/** `?days`. */
export const days = Bounds.integerText(Bounds.days, daysDescription)
export const dailyDays = Bounds.integerText(Bounds.dailyDays, daysDescription)

/** `?search`. */
export const search = Schema.optionalKey(
  text({
    max: Bounds.maxLength.search,
    min: 0,
    example: "engine",
    description: "A case-insensitive substring to search for.",
  }).input,
)

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
export const Cursor = Schema.String.annotate({
  description: "The `next_cursor` of the previous page; empty for the first page.",
}).pipe(
  Schema.check(
    Schema.isPattern(/^(?:[\w-]{8,512})?$/u, { message: "must be a next_cursor of this list" }),
  ),
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
