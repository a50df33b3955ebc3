import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { days, daysOfQuarter, topLimit } from "../../domain/Page.ts"
import { UsageMetric } from "../../domain/Usage.ts"
import {
  UsageBreakdown,
  UsageDaily,
  UsageMetrics,
  UsageSummary,
  UsageTopUsers,
  UsageTrends,
} from "../../domain/UsageReport.ts"
import { UserId } from "../../domain/User.ts"
import { explanations } from "../app/UsageApi.ts"
import { enveloped } from "../Envelope.ts"

const params = { user_id: UserId }
const unavailable = enveloped(ServiceUnavailableError)
const error = [enveloped(NotFoundError), unavailable] as const
const metric = UsageMetric

export class AdminUsageApi extends HttpApiGroup.make("adminUsage")
  .add(
    HttpApiEndpoint.get("summary", "/summary/:user_id", {
      params,
      query: { days },
      success: UsageSummary,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Sum up a user's usage",
        description: explanations.summary,
      }),
    ),
    HttpApiEndpoint.get("trends", "/trends/:user_id", {
      params,
      query: { metric },
      success: UsageTrends,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Compare two months of a user",
        description: explanations.trends,
      }),
    ),
    HttpApiEndpoint.get("daily", "/daily/:user_id", {
      params,
      query: { metric, days: daysOfQuarter },
      success: UsageDaily,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get a user's usage by day",
        description: explanations.daily,
      }),
    ),
    HttpApiEndpoint.get("breakdown", "/breakdown/:user_id", {
      params,
      query: { metric, days },
      success: UsageBreakdown,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Break a user's usage down",
        description: explanations.breakdown,
      }),
    ),
    HttpApiEndpoint.get("topUsers", "/top-users", {
      query: { metric, limit: topLimit },
      success: UsageTopUsers,
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List who used most",
        description:
          "In this calendar month (UTC), the most first; of stored bytes, what there is. Who used nothing is not among them.",
      }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", { success: UsageMetrics }).annotateMerge(
      OpenApi.annotations({ summary: "List the metrics", description: explanations.metrics }),
    ),
  )
  .prefix("/usage")
  .annotateMerge(
    OpenApi.annotations({ title: "Admin: usage", description: "What users have used." }),
  ) {}
