import { assert, layer } from "@effect/vitest"
import { Clock, DateTime, Effect, Layer, Schema } from "effect"
import { Entitlements } from "../../../src/business/plans/Entitlements.ts"
import { EntitlementsRepo } from "../../../src/business/plans/EntitlementsRepo.ts"
import { Projects } from "../../../src/business/projects/Projects.ts"
import { UsageReports } from "../../../src/business/usage/UsageReports.ts"
import { UsageReportsRepo } from "../../../src/business/usage/UsageReportsRepo.ts"
import { UsageRepo } from "../../../src/business/usage/UsageRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"
import {
  type UsageEvent,
  type UsageMetric,
  usageMetricKeys,
} from "../../../src/domain/usage/Usage.ts"
import type { UserId } from "../../../src/domain/users/User.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { calendar, dayAt, positionOf } from "../../fixtures/data/Calendar.ts"
import { newUser } from "../../TestApp.ts"

const PLAN_LIMITS = '{"free":{"ai_tokens":100,"projects":2,"storage_bytes":50}}'
const settings = Settings.layerFrom({ SECRET_KEY: "k".repeat(32), PLAN_LIMITS })

const tested = UsageReports.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(UsageReportsRepo.layer, UsageRepo.layer)),
  Layer.provide(
    Layer.fresh(Entitlements.layer).pipe(
      Layer.provide(EntitlementsRepo.layer),
      Layer.provide(settings),
    ),
  ),
  Layer.provideMerge(Business.layer),
)

/**
 * Runs the effect at this time. Advancing the test clock would also run every timer of the
 * connection pool.
 */
const at = <A, E, R>(time: string, effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const millis = DateTime.makeUnsafe(time).epochMilliseconds
    const nanos = BigInt(millis) * 1_000_000n
    return Effect.provideService(effect, Clock.Clock, {
      currentTimeMillisUnsafe: () => millis,
      currentTimeMillis: Effect.succeed(millis),
      currentTimeNanosUnsafe: () => nanos,
      currentTimeNanos: Effect.succeed(nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) => clock.sleep(duration),
    })
  })

const insertUser = Effect.gen(function* () {
  const id = newUser()
  const users = yield* Users
  yield* users.create({ id, email: `${id}@example.com`, full_name: null, role: "user" })
  return id
})

interface Used {
  readonly metric: UsageMetric
  readonly day: string
  readonly dimension: string
  readonly quantity: number
}

const use = Effect.fnUntraced(function* (user_id: UserId, used: ReadonlyArray<Used>, name = "") {
  const { append } = yield* UsageRepo
  yield* append(
    used.map(({ day, ...rest }, n): UsageEvent => ({
      ...rest,
      source: `${user_id}:${name}${n}`,
      user_id,
      estimated: false,
      // Covers both ends of the day.
      occurred_at: Timestamp.make(`${day}T${n % 2 === 0 ? "00:00:00.000Z" : "23:59:59.999Z"}`),
    })),
  )
})

/** The expected sum, from every single row of these days. */
const total = (used: ReadonlyArray<Used>, metric: UsageMetric, days: ReadonlyArray<string>) =>
  used
    .filter((one) => one.metric === metric && days.includes(one.day))
    .reduce((sum, { quantity }) => sum + quantity, 0)

const lastDays = (today: string, days: number, offset = 0) => {
  const end = positionOf(today) + 1 - offset
  return calendar.slice(end - days, end)
}

const monthOf = (prefix: string) => calendar.filter((day) => day.startsWith(prefix))

/** Ends of months and years, a leap day, and the days beside it. */
const todays = Schema.Literals([
  "2024-02-28",
  "2024-02-29",
  "2024-03-01",
  "2024-12-31",
  "2025-01-01",
  "2025-03-31",
  "2100-03-01",
])

const drafts = Schema.Array(
  Schema.Struct({
    metric: Schema.Literals(["ai_tokens", "storage_bytes", "file_uploads"]),
    ago: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 70 })),
    dimension: Schema.Literals(["", "gpt-4o", "echo"]),
    quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  }),
).check(Schema.isMaxLength(30))
const length = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))

layer(tested)("UsageReports", (it) => {
  it.effect.prop(
    "sums exactly the days of their period",
    [todays, drafts, length],
    ([today, drafts, length]) =>
      Effect.gen(function* () {
        const reports = yield* UsageReports
        const user = yield* insertUser
        const used = drafts.map(({ ago, ...rest }) => ({
          ...rest,
          day: dayAt(positionOf(today) - ago),
        }))
        yield* use(user, used)
        const days = lastDays(today, length)
        const [daily, breakdown, summary, trends, current] = yield* at(
          `${today}T23:59:59.999Z`,
          Effect.all([
            reports.daily(user, "ai_tokens", length),
            reports.breakdown(user, "ai_tokens", length),
            reports.summary(user, length),
            reports.trends(user, "ai_tokens"),
            reports.currentPeriod({ id: user, plan: "free" }),
          ]),
        )

        assert.deepStrictEqual(
          daily.data,
          days.map((date) => ({ date, value: total(used, "ai_tokens", [date]) })),
        )
        assert.strictEqual(daily.total, total(used, "ai_tokens", days))
        assert.closeTo(daily.average, daily.total / length, 0.005)

        assert.strictEqual(breakdown.total, daily.total)
        assert.strictEqual(breakdown.period.start, `${days[0]}T00:00:00.000Z`)
        assert.strictEqual(breakdown.period.end, `${dayAt(positionOf(today) + 1)}T00:00:00.000Z`)
        for (const dimension of ["gpt-4o", "echo"]) {
          const some = used.filter((one) => one.dimension === dimension)
          assert.strictEqual(
            breakdown.breakdown[dimension] ?? 0,
            total(some, "ai_tokens", days),
            dimension,
          )
        }
        assert.notProperty(breakdown.breakdown, "")

        for (const metric of usageMetricKeys) {
          const reported = summary.metrics[metric]
          assert.strictEqual(reported.total, total(used, metric, days))
          assert.strictEqual(reported.current_period, reported.total)
          const before = lastDays(today, length, length)
          assert.strictEqual(reported.previous_period, total(used, metric, before))
        }

        const month = today.slice(0, 7)
        const previous = dayAt(positionOf(`${month}-01`) - 1).slice(0, 7)
        const inMonth = total(used, "ai_tokens", monthOf(month))
        assert.strictEqual(trends.current_period, inMonth)
        assert.strictEqual(trends.previous_period, total(used, "ai_tokens", monthOf(previous)))
        const values = monthOf(month).map((day) => total(used, "ai_tokens", [day]))
        const peakValue = Math.max(...values)
        assert.strictEqual(trends.peak_value, peakValue)
        const peak = peakValue === 0 ? null : monthOf(month)[values.indexOf(peakValue)]
        assert.strictEqual(trends.peak_day, peak)
        assert.closeTo(trends.daily_average, inMonth / Number(today.slice(8)), 0.005)

        assert.strictEqual(current.ai_tokens, inMonth)
        assert.strictEqual(current.storage_bytes, total(used, "storage_bytes", calendar))
        assert.strictEqual(current.period.start, `${month}-01T00:00:00.000Z`)
        assert.strictEqual(
          current.days_remaining,
          monthOf(month).filter((day) => day > today).length,
        )
        assert.deepStrictEqual(current.limits.ai_tokens, {
          limit: 100,
          remaining: Math.max(0, 100 - inMonth),
        })
      }),
    { arbitrary: { runs: 60 } },
  )

  it.effect("computes growth in percent, 100 from nothing, and a trend beyond 5 percent", () =>
    Effect.gen(function* () {
      const reports = yield* UsageReports
      const cases = [
        [0, 0, 0, "stable"],
        [0, 3, 100, "increasing"],
        [3, 0, -100, "decreasing"],
        [3, 4, 33.33, "increasing"],
        [100, 105, 5, "stable"],
        [100, 106, 6, "increasing"],
        [100, 95, -5, "stable"],
        [100, 94, -6, "decreasing"],
      ] as const
      for (const [before, now, growth_rate, trend] of cases) {
        const user = yield* insertUser
        const row = { metric: "ai_tokens", dimension: "" } as const
        yield* use(user, [
          { ...row, day: "2024-01-31", quantity: before },
          { ...row, day: "2024-02-01", quantity: now },
        ])
        const trends = yield* at("2024-02-29T00:00:00.000Z", reports.trends(user, "ai_tokens"))
        assert.deepInclude(trends, { growth_rate, trend, current_period: now })
      }
    }),
  )

  it.effect("returns the remaining limits of the plan, including projects, never below zero", () =>
    Effect.gen(function* () {
      const reports = yield* UsageReports
      const projects = yield* Projects
      const user = yield* insertUser
      const { id } = yield* projects.create(
        { id: user, plan: "free" },
        { name: "One", description: null },
      )
      yield* projects.create({ id: user, plan: "free" }, { name: "Other", description: null })
      yield* projects.remove(user, id)
      const row = { day: "2024-02-29", dimension: "" }
      yield* use(user, [
        { ...row, metric: "ai_tokens", quantity: 101 },
        { ...row, metric: "storage_bytes", quantity: 70 },
        { ...row, metric: "storage_bytes", quantity: -30 },
      ])
      const limits = (plan: "free" | "enterprise") =>
        Effect.map(
          at("2024-03-01T00:00:00.000Z", reports.currentPeriod({ id: user, plan })),
          (period) => period.limits,
        )
      assert.deepInclude(yield* limits("free"), {
        projects: { limit: 2, remaining: 1 },
        // The tokens were used in the previous month.
        ai_tokens: { limit: 100, remaining: 100 },
        storage_bytes: { limit: 50, remaining: 10 },
        email_sent: { limit: null, remaining: null },
      })
      assert.deepInclude(yield* limits("enterprise"), {
        projects: { limit: null, remaining: null },
        storage_bytes: { limit: null, remaining: null },
      })
    }),
  )

  it.effect("ranks users by usage of the month, and by total for storage", () =>
    Effect.gen(function* () {
      const reports = yield* UsageReports
      const [one, two, three] = [yield* insertUser, yield* insertUser, yield* insertUser]
      const row = { metric: "websocket_messages", dimension: "" } as const
      yield* use(one, [
        { ...row, day: "2023-01-31", quantity: 1000 },
        { ...row, day: "2023-02-01", quantity: 2 },
        { ...row, day: "2023-02-28", quantity: 3 },
      ])
      yield* use(two, [{ ...row, day: "2023-02-14", quantity: 9 }])
      yield* use(three, [{ ...row, day: "2023-03-01", quantity: 99 }])
      const top = (limit: number) =>
        at("2023-02-28T12:00:00.000Z", reports.topUsers("websocket_messages", limit))
      const first = { user_id: two, email: `${two}@example.com`, value: 9 }
      const second = { user_id: one, email: `${one}@example.com`, value: 5 }
      assert.deepStrictEqual(rows((yield* top(10)).users), [first, second])
      assert.deepStrictEqual(rows((yield* top(1)).users), [first])

      const storage = { metric: "storage_bytes", day: "2021-01-01", dimension: "" } as const
      const quantity = 1_000_000_000_000
      yield* use(one, [{ ...storage, quantity }], "kept")
      const { users } = yield* at("2023-02-28T12:00:00.000Z", reports.topUsers("storage_bytes", 1))
      assert.deepStrictEqual(rows(users), [{ ...second, value: quantity }])
    }),
  )
})

const rows = (users: ReadonlyArray<object>) => users.map((user) => Object.assign({}, user))
