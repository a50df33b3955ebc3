import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ServiceUnavailableError } from "../../domain/Errors.ts"
import { days, daysOfQuarter } from "../../domain/Page.ts"
import { UsageMetric } from "../../domain/Usage.ts"
import {
  UsageBreakdown,
  UsageCurrentPeriod,
  UsageDaily,
  UsageMetrics,
  UsageSummary,
  UsageTrends,
} from "../../domain/UsageReport.ts"
import { enveloped } from "../Envelope.ts"

const error = enveloped(ServiceUnavailableError)
const metric = UsageMetric

/** What holds for the reports on oneself and on others. */
export const descriptions = {
  summary:
    "Every metric over the last `days` days of UTC, today included; `previous_period` is as many days before those. `growth_rate` is in percent, 100 where there was nothing before. `breakdown` is by model, endpoint or kind; what has none is in `total` alone. Of stored bytes: what was added less what was removed.",
  trends:
    "This calendar month (UTC) so far, beside all of the last one. `growth_rate` is in percent, 100 where there was nothing before; beyond 5 either way it is a trend. `daily_average`, `peak_day` and `peak_value` are of this month.",
  daily:
    "One value for each of the last `days` days of UTC, today included and zeros too, oldest first.",
  breakdown:
    "The last `days` days of UTC, today included, by model, endpoint or kind; what has none is in `total` alone.",
  metrics: "Everything that is metered, under the keys that the other routes take.",
}

export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("currentPeriod", "/current-period", {
      success: UsageCurrentPeriod,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get what is used and what remains",
        description:
          "Of each metric, what the calendar month (UTC) had so far; of stored bytes, what there is. `period.end` is not part of the period; `days_remaining` are those after today. `limits` are of your plan: null is no limit.",
      }),
    ),
    HttpApiEndpoint.get("summary", "/summary", {
      query: { days },
      success: UsageSummary,
      error,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Sum up your usage", description: descriptions.summary }),
    ),
    HttpApiEndpoint.get("trends", "/trends", {
      query: { metric },
      success: UsageTrends,
      error,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Compare two months", description: descriptions.trends }),
    ),
    HttpApiEndpoint.get("daily", "/daily", {
      query: { metric, days: daysOfQuarter },
      success: UsageDaily,
      error,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get your usage by day", description: descriptions.daily }),
    ),
    HttpApiEndpoint.get("breakdown", "/breakdown", {
      query: { metric, days },
      success: UsageBreakdown,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Break your usage down",
        description: descriptions.breakdown,
      }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", { success: UsageMetrics }).annotateMerge(
      OpenApi.annotations({ summary: "List the metrics", description: descriptions.metrics }),
    ),
  )
  .prefix("/usage")
  .annotateMerge(
    OpenApi.annotations({ title: "Usage", description: "What the caller has used." }),
  ) {}
