import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { UsageReports } from "../../business/usage/UsageReports.ts"
import { Users } from "../../business/users/Users.ts"
import { usageMetricsList } from "../../domain/usage/UsageReport.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "adminUsage",
  Effect.fnUntraced(function* (handlers) {
    const reports = yield* UsageReports
    const users = yield* Users

    return handlers.handleAll({
      summary: ({ params, query }) =>
        Effect.flatMap(users.get(params.user_id), ({ id }) => reports.summary(id, query.days)),
      trends: ({ params, query }) =>
        Effect.flatMap(users.get(params.user_id), ({ id }) => reports.trends(id, query.metric)),
      daily: ({ params, query }) =>
        Effect.flatMap(users.get(params.user_id), ({ id }) =>
          reports.daily(id, query.metric, query.days),
        ),
      breakdown: ({ params, query }) =>
        Effect.flatMap(users.get(params.user_id), ({ id }) =>
          reports.breakdown(id, query.metric, query.days),
        ),
      topUsers: ({ query }) => reports.topUsers(query.metric, query.limit),
      metrics: () => Effect.succeed(usageMetricsList),
    })
  }),
)
