import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { dailyDays, days, topLimit } from "../../domain/Page.ts"
import { UsageMetric } from "../../domain/usage/Usage.ts"
import {
  UsageBreakdown,
  UsageDaily,
  UsageMetrics,
  UsageSummary,
  UsageTopUsers,
  UsageTrends,
} from "../../domain/usage/UsageReport.ts"
import { UserId } from "../../domain/users/User.ts"
import { descriptions } from "../app/UsageApi.ts"
import { enveloped } from "../../http/Envelope.ts"

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
        summary: "Get a user's usage summary",
        description: descriptions.summary,
      }),
    ),
    HttpApiEndpoint.get("trends", "/trends/:user_id", {
      params,
      query: { metric },
      success: UsageTrends,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Compare two months of a user's usage",
        description: descriptions.trends,
      }),
    ),
    HttpApiEndpoint.get("daily", "/daily/:user_id", {
      params,
      query: { metric, days: dailyDays },
      success: UsageDaily,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get a user's daily usage",
        description: descriptions.daily,
      }),
    ),
    HttpApiEndpoint.get("breakdown", "/breakdown/:user_id", {
      params,
      query: { metric, days },
      success: UsageBreakdown,
      error,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Break down a user's usage",
        description: descriptions.breakdown,
      }),
    ),
    HttpApiEndpoint.get("topUsers", "/top-users", {
      query: { metric, limit: topLimit },
      success: UsageTopUsers,
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List the top users of a metric",
        description:
          "Returns the users with the highest usage in this calendar month (UTC), highest first; for storage, the current amount. Users without usage are omitted.",
      }),
    ),
    HttpApiEndpoint.get("metrics", "/metrics", { success: UsageMetrics }).annotateMerge(
      OpenApi.annotations({ summary: "List the metrics", description: descriptions.metrics }),
    ),
  )
  .prefix("/usage")
  .annotateMerge(
    OpenApi.annotations({
      title: "Admin: usage",
      description: "The usage of each user, for admins.",
    }),
  ) {}
