import { Context, Effect, Layer, Record } from "effect"
import { saturated } from "../../core/sql/SafeSum.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import * as Period from "../../domain/Period.ts"
import type { Limited } from "../../domain/Plan.ts"
import { type UsageMetric, usageMetricKeys, usageMetrics } from "../../domain/usage/Usage.ts"
import type {
  UsageBreakdown,
  UsageCurrentPeriod,
  UsageDaily,
  UsageSummary,
  UsageTopUsers,
  UsageTrends,
} from "../../domain/usage/UsageReport.ts"
import type { SubscriptionPlan, UserId } from "../../domain/users/User.ts"
import { Entitlements } from "../plans/Entitlements.ts"
import { ProjectsRepo } from "../projects/ProjectsRepo.ts"
import { UsageReportsRepo } from "./UsageReportsRepo.ts"

type Report<A> = Effect.Effect<A, ServiceUnavailableError>

/** Reports on usage by UTC day. `days` counts back from today, inclusive. Does not check that the user exists. */
export class UsageReports extends Context.Service<
  UsageReports,
  {
    /** Returns the usage of this month (flows) and the current amounts (levels), with the plan's limits. */
    readonly currentPeriod: (user: {
      readonly id: UserId
      readonly plan: SubscriptionPlan
    }) => Report<UsageCurrentPeriod>
    /** Compares the last days with as many days before them. */
    readonly summary: (user: UserId, days: number) => Report<UsageSummary>
    /** Compares this month with the last one. */
    readonly trends: (user: UserId, metric: UsageMetric) => Report<UsageTrends>
    readonly daily: (user: UserId, metric: UsageMetric, days: number) => Report<UsageDaily>
    readonly breakdown: (user: UserId, metric: UsageMetric, days: number) => Report<UsageBreakdown>
    /** Returns the users with the highest usage this month; for levels, the highest current amount. */
    readonly topUsers: (metric: UsageMetric, limit: number) => Report<UsageTopUsers>
  }
>()("plinth/business/usage/UsageReports") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* UsageReportsRepo
      const projects = yield* ProjectsRepo
      const { limitOf } = yield* Entitlements

      const today = Effect.map(now, Period.dayOf)
      const lastDays = (days: number) => Effect.map(today, (day) => Period.lastDays(day, days))

      const currentPeriod = Effect.fn("UsageReports.currentPeriod")(function* ({
        id,
        plan,
      }: {
        readonly id: UserId
        readonly plan: SubscriptionPlan
      }) {
        const day = yield* today
        const month = Period.monthOf(day)
        const used = totalsOf([
          ...(yield* repo.sums(id, flows, month)),
          ...(yield* repo.sums(id, levels, Period.allTime)),
        ])
        const allowance = (key: Limited, amount: number) => {
          const limit = limitOf(plan, key)
          return {
            limit,
            remaining: limit === null ? null : saturated(Math.max(0, limit - amount)),
          }
        }
        return {
          user_id: id,
          ...used,
          period: Period.boundsOf(month),
          days_remaining: Period.daysIn({ from: day, to: month.to }) - 1,
          limits: {
            projects: allowance("projects", yield* projects.count(id)),
            ...Record.map(used, (amount, metric) => allowance(metric, amount)),
          },
        }
      })

      const summary = Effect.fn("UsageReports.summary")(function* (user: UserId, days: number) {
        const period = yield* lastDays(days)
        const sums = yield* repo.sums(user, usageMetricKeys, period)
        const previousSums = yield* repo.sums(user, usageMetricKeys, Period.preceding(period))
        const current = totalsOf(sums)
        const previous = totalsOf(previousSums)
        return {
          user_id: user,
          days,
          period: Period.boundsOf(period),
          metrics: Record.map(usageMetrics, (_, metric) => ({
            total: current[metric],
            breakdown: breakdownOf(sums.filter((sum) => sum.metric === metric)),
            current_period: current[metric],
            previous_period: previous[metric],
            growth_rate: growthOf(current[metric], previous[metric]),
            daily_average: round(current[metric] / days),
          })),
        }
      })

      const trends = Effect.fn("UsageReports.trends")(function* (
        user: UserId,
        metric: UsageMetric,
      ) {
        const day = yield* today
        const month = Period.monthOf(day)
        const { from } = Period.monthBefore(month)
        const rows = yield* repo.days(user, metric, { from, to: month.to })
        const thisMonth = rows.filter((row) => Period.contains(month, row.day))
        const current = totalOf(thisMonth)
        const previous = totalOf(rows.filter((row) => !Period.contains(month, row.day)))
        const growth = growthOf(current, previous)
        // The first day, if several days share the peak.
        const peak = thisMonth
          .map(({ day: date, quantity }): Peak => ({ day: date, value: saturated(quantity) }))
          .reduce((highest, peak) => (peak.value > highest.value ? peak : highest), {
            day: null,
            value: 0,
          })
        return {
          metric,
          current_period: current,
          previous_period: previous,
          growth_rate: growth,
          daily_average: round(
            current / Period.daysIn({ from: month.from, to: Period.addDays(day, 1) }),
          ),
          peak_day: peak.day,
          peak_value: peak.value,
          trend: trendOf(growth),
        }
      })

      const daily = Effect.fn("UsageReports.daily")(function* (
        user: UserId,
        metric: UsageMetric,
        days: number,
      ) {
        const period = yield* lastDays(days)
        const rows = yield* repo.days(user, metric, period)
        const values = new Map(rows.map(({ day, quantity }) => [day, saturated(quantity)]))
        const total = totalOf(rows)
        return {
          metric,
          days,
          data: Period.eachDayOf(period).map((date) => ({ date, value: values.get(date) ?? 0 })),
          total,
          average: round(total / days),
        }
      })

      const breakdown = Effect.fn("UsageReports.breakdown")(function* (
        user: UserId,
        metric: UsageMetric,
        days: number,
      ) {
        const period = yield* lastDays(days)
        const sums = yield* repo.sums(user, [metric], period)
        return {
          metric,
          total: totalOf(sums),
          period: Period.boundsOf(period),
          breakdown: breakdownOf(sums),
        }
      })

      const topUsers = Effect.fn("UsageReports.topUsers")(function* (
        metric: UsageMetric,
        limit: number,
      ) {
        const month = Period.monthOf(yield* today)
        const isLevel = usageMetrics[metric].kind === "level"
        const users = yield* repo.top(metric, isLevel ? Period.allTime : month, limit)
        return { metric, period: Period.boundsOf(month), users }
      })

      return UsageReports.of({ currentPeriod, summary, trends, daily, breakdown, topUsers })
    }),
  )
}

const isFlow = (metric: UsageMetric) => usageMetrics[metric].kind === "flow"
const flows = usageMetricKeys.filter(isFlow)
const levels = usageMetricKeys.filter((metric) => !isFlow(metric))

interface Quantity {
  readonly quantity: bigint
}

interface Peak {
  readonly day: Period.Day | null
  readonly value: number
}

/** Adds exactly; only the total saturates. */
const totalOf = (rows: ReadonlyArray<Quantity>) =>
  saturated(rows.reduce((total, { quantity }) => total + quantity, 0n))

/** The total of every metric. */
const totalsOf = (sums: ReadonlyArray<Quantity & { readonly metric: UsageMetric }>) =>
  Record.map(usageMetrics, (_, metric) => totalOf(sums.filter((sum) => sum.metric === metric)))

/** The sums by dimension. Usage without a dimension counts only in the total. */
const breakdownOf = (sums: ReadonlyArray<Quantity & { readonly dimension: string }>) =>
  Object.fromEntries(
    sums
      .filter(({ dimension }) => dimension !== "")
      .map(({ dimension, quantity }) => [dimension, saturated(quantity)]),
  )

/** The growth in percent; 100 from zero to any usage. */
const growthOf = (current: number, previous: number) => {
  if (previous === 0) return current > 0 ? 100 : 0
  return round(((current - previous) / Math.abs(previous)) * 100)
}

const round = (value: number) => Math.round(value * 100) / 100

/** Changes of up to five percent are stable. */
const trendOf = (growth: number): UsageTrends["trend"] => {
  if (growth > 5) return "increasing"
  return growth < -5 ? "decreasing" : "stable"
}
