import { Record, Schema } from "effect"
import { Timestamp } from "../Fields.ts"
import { usageMetricKeys, usageMetrics, UsageMetric } from "./Usage.ts"
import { UserId } from "../users/User.ts"

// The responses of usage routes. They are built from `usageMetrics`, so each metric there is a field here.

const Period = Schema.Struct({
  start: Timestamp.annotate({ examples: [Timestamp.make("2026-11-01T00:00:00.000Z")] }),
  end: Timestamp.annotate({ examples: [Timestamp.make("2026-12-01T00:00:00.000Z")] }),
})

const Allowance = Schema.Struct({
  limit: Schema.NullOr(Schema.Int),
  remaining: Schema.NullOr(Schema.Int),
})

const Breakdown = Schema.Record(Schema.String, Schema.Int).annotate({
  examples: [{ "gpt-4o": 1200 }],
})

/** The usage of the current month beside the plan's limits. */
export const UsageCurrentPeriod = Schema.Struct({
  user_id: UserId,
  ...Record.map(usageMetrics, () => Schema.Int),
  period: Period,
  days_remaining: Schema.Int,
  limits: Schema.Struct({ projects: Allowance, ...Record.map(usageMetrics, () => Allowance) }),
}).annotate({ identifier: "UsageCurrentPeriod" })
export type UsageCurrentPeriod = typeof UsageCurrentPeriod.Type

const Summed = Schema.Struct({
  total: Schema.Int,
  breakdown: Breakdown,
  current_period: Schema.Int,
  previous_period: Schema.Int,
  growth_rate: Schema.Finite,
  daily_average: Schema.Finite,
})

export const UsageSummary = Schema.Struct({
  user_id: UserId,
  days: Schema.Int,
  period: Period,
  metrics: Schema.Struct(Record.map(usageMetrics, () => Summed)),
}).annotate({ identifier: "UsageSummary" })
export type UsageSummary = typeof UsageSummary.Type

const Day = Schema.String.annotate({ format: "date", examples: ["2026-11-25"] })

export const UsageTrends = Schema.Struct({
  metric: UsageMetric,
  current_period: Schema.Int,
  previous_period: Schema.Int,
  growth_rate: Schema.Finite,
  daily_average: Schema.Finite,
  /** Null without usage. */
  peak_day: Schema.NullOr(Day),
  peak_value: Schema.Int,
  trend: Schema.Literals(["increasing", "decreasing", "stable"]),
}).annotate({ identifier: "UsageTrends" })
export type UsageTrends = typeof UsageTrends.Type

export const UsageDaily = Schema.Struct({
  metric: UsageMetric,
  days: Schema.Int,
  data: Schema.Array(Schema.Struct({ date: Day, value: Schema.Int })),
  total: Schema.Int,
  average: Schema.Finite,
}).annotate({ identifier: "UsageDaily" })
export type UsageDaily = typeof UsageDaily.Type

export const UsageBreakdown = Schema.Struct({
  metric: UsageMetric,
  total: Schema.Int,
  period: Period,
  breakdown: Breakdown,
}).annotate({ identifier: "UsageBreakdown" })
export type UsageBreakdown = typeof UsageBreakdown.Type

export const UsageTopUsers = Schema.Struct({
  metric: UsageMetric,
  period: Period,
  users: Schema.Array(
    Schema.Struct({
      user_id: UserId,
      email: Schema.NullOr(Schema.String.annotate({ examples: ["ada@example.com"] })),
      value: Schema.Int,
    }),
  ),
}).annotate({ identifier: "UsageTopUsers" })
export type UsageTopUsers = typeof UsageTopUsers.Type

export const UsageMetrics = Schema.Struct({
  metrics: Schema.Array(
    Schema.Struct({
      key: UsageMetric,
      name: Schema.String,
      description: Schema.String,
      unit: Schema.String,
    }),
  ),
}).annotate({ identifier: "UsageMetrics" })

/** The response that lists all metrics. */
export const usageMetricsList: typeof UsageMetrics.Type = {
  metrics: usageMetricKeys.map((key) => {
    const { description, name, unit } = usageMetrics[key]
    return { key, name, description, unit }
  }),
}
