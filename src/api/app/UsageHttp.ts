import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { UsageReports } from "../../business/usage/UsageReports.ts"
import { usageMetricsList } from "../../domain/usage/UsageReport.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "usage",
  Effect.fnUntraced(function* (handlers) {
    const reports = yield* UsageReports

    return handlers.handleAll({
      currentPeriod: () => Effect.flatMap(CurrentUser, reports.currentPeriod),
      summary: ({ query }) =>
        Effect.flatMap(CurrentUser, ({ id }) => reports.summary(id, query.days)),
      trends: ({ query }) =>
        Effect.flatMap(CurrentUser, ({ id }) => reports.trends(id, query.metric)),
      daily: ({ query }) =>
        Effect.flatMap(CurrentUser, ({ id }) => reports.daily(id, query.metric, query.days)),
      breakdown: ({ query }) =>
        Effect.flatMap(CurrentUser, ({ id }) => reports.breakdown(id, query.metric, query.days)),
      metrics: () => Effect.succeed(usageMetricsList),
    })
  }),
)
