import { DateTime } from "effect"
import { Timestamp } from "./Fields.ts"

/** A day of UTC: `2024-02-29`. As texts, days sort as they follow each other. */
export type Day = string

/** Days from one up to another that is not part of it. */
export interface Period {
  readonly from: Day
  readonly to: Day
}

/** All there are. */
export const allTime: Period = { from: "0000-01-01", to: "9999-12-31" }

export const dayOf = (time: Timestamp): Day => time.slice(0, 10)

/** So many days later; earlier, when negative. */
export const addDays = (day: Day, days: number): Day =>
  DateTime.formatIso(DateTime.makeUnsafe(millisOf(day) + days * millisPerDay)).slice(0, 10)

/** So many days, of which this is the last. */
export const lastDays = (day: Day, days: number): Period => ({
  from: addDays(day, 1 - days),
  to: addDays(day, 1),
})

/** As many days, right before. */
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

/** In days. */
export const daysIn = ({ from, to }: Period) => (millisOf(to) - millisOf(from)) / millisPerDay

export const eachDayOf = (period: Period): ReadonlyArray<Day> =>
  Array.from({ length: daysIn(period) }, (_, n) => addDays(period.from, n))

export const contains = ({ from, to }: Period, day: Day) => from <= day && day < to

/** As it is told: times, of which the end is not part of it. */
export const boundsOf = ({ from, to }: Period) => ({ start: startOf(from), end: startOf(to) })

const startOf = (day: Day) => Timestamp.make(`${day}T00:00:00.000Z`)

const millisOf = (day: Day) => DateTime.makeUnsafe(startOf(day)).epochMilliseconds

/** UTC knows no summer time, and Unix no leap seconds. */
const millisPerDay = 86_400_000

const firstDayOf = (year: number, month: number): Day =>
  `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-01`
