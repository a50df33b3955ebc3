import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ServiceUnavailableError } from "../../domain/Errors.ts"
import { dailyDays, days } from "../../domain/Page.ts"
import { UsageMetric } from "../../domain/usage/Usage.ts"
import {
  UsageBreakdown,
  UsageCurrentPeriod,
  UsageDaily,
  UsageMetrics,
  UsageSummary,
  UsageTrends,
} from "../../domain/usage/UsageReport.ts"
import { enveloped } from "../../http/Envelope.ts"

const error = enveloped(ServiceUnavailableError)
const metric = UsageMetric

/** Descriptions shared by the reports for users and for admins. */
export const descriptions = {
  summary:
    "Returns every metric over the last `days` days (UTC), including today. `previous_period` is the same number of days before them. `growth_rate` is in percent, and 100 when usage grew from zero. `breakdown` is by model, endpoint or kind; usage without one counts in `total` only. For storage, values are bytes added minus bytes removed.",
  trends:
    "Compares this calendar month (UTC) so far with the whole previous month. `growth_rate` is in percent, and 100 when usage grew from zero; `trend` is `stable` from -5 to 5. `daily_average`, `peak_day` and `peak_value` are those of this month.",
  daily:
    "Returns one value for each of the last `days` days (UTC), oldest first, including today and days without usage.",
  breakdown:
    "Returns the usage over the last `days` days (UTC), including today, by model, endpoint or kind. Usage without one counts in `total` only.",
  metrics:
    "Returns all usage metrics, with the keys that the other usage endpoints take as `metric`.",
}

export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("currentPeriod", "/current-period", {
      success: UsageCurrentPeriod,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get your current usage and limits",
        description:
          "Returns the usage of every metric in this calendar month (UTC) so far; for storage, the current amount. `period.end` is exclusive, and `days_remaining` does not count today. `limits` are those of your plan; null means unlimited.",
      }),
    ),
    HttpApiEndpoint.get("summary", "/summary", {
      query: { days },
      success: UsageSummary,
      error,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get your usage summary", description: descriptions.summary }),
    ),
    HttpApiEndpoint.get("trends", "/trends", {
      query: { metric },
      success: UsageTrends,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Compare two months of your usage",
        description: descriptions.trends,
      }),
    ),
    HttpApiEndpoint.get("daily", "/daily", {
      query: { metric, days: dailyDays },
      success: UsageDaily,
      error,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get your daily usage", description: descriptions.daily }),
    ),
    HttpApiEndpoint.get("breakdown", "/breakdown", {
      query: { metric, days },
      success: UsageBreakdown,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Break down your usage",
        description: descriptions.breakdown,
      }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", { success: UsageMetrics }).annotateMerge(
      OpenApi.annotations({ summary: "List the metrics", description: descriptions.metrics }),
    ),
  )
  .prefix("/usage")
  .annotateMerge(OpenApi.annotations({ title: "Usage", description: "The caller's own usage." })) {}
