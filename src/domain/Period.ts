import { DateTime } from "effect"
import { Timestamp } from "./Fields.ts"

/** A UTC day, such as `2024-02-29`. Days sort in order as texts. */
export type Day = string

/** Days from `from` up to but not including `to`. */
export interface Period {
  readonly from: Day
  readonly to: Day
}

/** A period that contains every day. */
export const allTime: Period = { from: "0000-01-01", to: "9999-12-31" }

export const dayOf = (time: Timestamp): Day => time.slice(0, 10)

/** Returns the day `days` later, or earlier when negative. */
export const addDays = (day: Day, days: number): Day =>
  DateTime.formatIso(DateTime.makeUnsafe(millisOf(day) + days * millisPerDay)).slice(0, 10)

/** The period of `days` days that ends with `day`. */
export const lastDays = (day: Day, days: number): Period => ({
  from: addDays(day, 1 - days),
  to: addDays(day, 1),
})

/** The period of the same length directly before this one. */
export const preceding = (period: Period): Period => ({
  from: addDays(period.from, -daysIn(period)),
  to: period.from,
})

export const monthOf = (day: Day): Period => {
  const [year = 0, month = 0] = day.split("-").map(Number)
  return {
    from: firstDayOf(year, month),
    to: month === 12 ? firstDayOf(year + 1, 1) : firstDayOf(year, month + 1),
  }
}

export const monthBefore = ({ from }: Period): Period => monthOf(addDays(from, -1))

/** The length of a period in days. */
export const daysIn = ({ from, to }: Period) => (millisOf(to) - millisOf(from)) / millisPerDay

export const eachDayOf = (period: Period): ReadonlyArray<Day> =>
  Array.from({ length: daysIn(period) }, (_, n) => addDays(period.from, n))

export const contains = ({ from, to }: Period, day: Day) => from <= day && day < to

/** The period as start and end times; the end is exclusive. */
export const boundsOf = ({ from, to }: Period) => ({ start: startOf(from), end: startOf(to) })

const startOf = (day: Day) => Timestamp.make(`${day}T00:00:00.000Z`)

const millisOf = (day: Day) => DateTime.makeUnsafe(startOf(day)).epochMilliseconds

/** Constant, because UTC has no daylight saving time and Unix time no leap seconds. */
const millisPerDay = 86_400_000

const firstDayOf = (year: number, month: number): Day =>
  `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-01`
