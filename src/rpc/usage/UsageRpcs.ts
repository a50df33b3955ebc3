import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import * as Bounds from "../../domain/Bounds.ts"
import { verbatim } from "../../domain/Fields.ts"
import { UsageMetric, usageMetricKeys, usageMetrics } from "../../domain/usage/Usage.ts"
import {
  UsageBreakdown,
  UsageCurrentPeriod,
  UsageDaily,
  UsageMetrics,
  UsageSummary,
  UsageTopUsers,
  UsageTrends,
} from "../../domain/usage/UsageReport.ts"
import { method, userId } from "../Method.ts"

const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const

const user = { user_id: userId }
const days = Bounds.integer(Bounds.days)
const metric = { metric: UsageMetric }

/** Metrics that callers may record. A level, such as stored bytes, is recorded only by the service that stores it. */
const flowMetrics = usageMetricKeys.filter((key) => usageMetrics[key].kind === "flow")

/** The inputs of the methods. */
export const input = {
  user: Schema.Struct(user),
  summary: Schema.Struct({ ...user, days }),
  trends: Schema.Struct({ ...user, ...metric }),
  daily: Schema.Struct({ ...user, ...metric, days: Bounds.integer(Bounds.dailyDays) }),
  breakdown: Schema.Struct({ ...user, ...metric, days }),
  topUsers: Schema.Struct({ ...metric, limit: Bounds.integer(Bounds.topUsers) }),
  metrics: Schema.Struct({}),
  record: Schema.Struct({
    ...user,
    metric: Schema.Literals(flowMetrics),
    source: verbatim({ max: Bounds.maxLength.usageSource, example: "render-7f3a" }),
    quantity: Schema.Int.check(Schema.isBetween(Bounds.usageQuantity)),
    dimension: verbatim({ min: 0, max: Bounds.maxLength.usageDimension, example: "echo" }).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed("")),
    ),
  }),
}

/** Usage of users, by UTC day; `days` counts back from today, including today. */
export class UsageRpcs extends RpcGroup.make(
  method("usage.currentPeriod", {
    input: input.user,
    success: UsageCurrentPeriod,
    error: readErrors,
  }),
  method("usage.summary", { input: input.summary, success: UsageSummary, error: readErrors }),
  method("usage.trends", { input: input.trends, success: UsageTrends, error: readErrors }),
  method("usage.daily", { input: input.daily, success: UsageDaily, error: readErrors }),
  method("usage.breakdown", { input: input.breakdown, success: UsageBreakdown, error: readErrors }),
  /** Covers this calendar month. */
  method("usage.topUsers", { input: input.topUsers, success: UsageTopUsers, error: [unavailable] }),
  method("usage.metrics", { input: input.metrics, success: UsageMetrics, error: [] }),
  /**
   * Records usage that another service provided, for billing. The same `source` from the same caller counts once.
   * `quantity` is an integer from 0 to 10^12. Breakdowns group by `dimension`.
   */
  method("usage.record", { input: input.record, success: Schema.Void, error: readErrors }),
) {}
