import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Period from "../../src/domain/Period.ts"
import { calendar, dayAt as at, positionOf } from "../fixtures/data/Calendar.ts"

/** Far enough from both ends of the calendar. */
const index = Schema.Int.check(Schema.isBetween({ minimum: 1500, maximum: calendar.length - 1500 }))
const length = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 365 }))

describe("Period", () => {
  it.effect.prop(
    "lastDays has the given length, ends with the given day, and follows the period before",
    [index, length],
    ([index, length]) =>
      Effect.sync(() => {
        const period = Period.lastDays(at(index), length)
        assert.deepStrictEqual(period, { from: at(index - length + 1), to: at(index + 1) })
        assert.deepStrictEqual(
          Period.eachDayOf(period),
          calendar.slice(index - length + 1, index + 1),
        )
        assert.strictEqual(Period.daysIn(period), length)
        assert.deepStrictEqual(Period.preceding(period), {
          from: at(index - 2 * length + 1),
          to: period.from,
        })
      }),
    { arbitrary: { runs: 500 } },
  )

  it("monthOf contains exactly the days of its month, for every day", () => {
    for (const day of calendar.slice(40, -40)) {
      const month = Period.monthOf(day)
      assert.isTrue(Period.contains(month, day))
      assert.strictEqual(month.from, `${day.slice(0, 7)}-01`)
      assert.strictEqual(at(positionOf(month.to) - 1).slice(0, 7), day.slice(0, 7))
      assert.match(month.to, /-01$/)
      const previous = Period.monthBefore(month)
      assert.strictEqual(previous.to, month.from)
      assert.match(previous.from, /-01$/)
      assert.isAtMost(Period.daysIn(previous), 31)
    }
  })

  it("contains its first day, but not its end", () => {
    const february = Period.monthOf("2024-02-29")
    assert.deepStrictEqual(february, { from: "2024-02-01", to: "2024-03-01" })
    assert.strictEqual(Period.daysIn(february), 29)
    const days = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"]
    assert.deepStrictEqual(
      days.map((day) => Period.contains(february, day)),
      [false, true, true, false],
    )
    assert.deepStrictEqual<unknown>(Period.boundsOf(february), {
      start: "2024-02-01T00:00:00.000Z",
      end: "2024-03-01T00:00:00.000Z",
    })
    assert.deepStrictEqual(Period.monthBefore(Period.monthOf("2025-01-31")), {
      from: "2024-12-01",
      to: "2025-01-01",
    })
    assert.deepStrictEqual(Period.monthOf("2024-12-31").to, "2025-01-01")
  })
})
