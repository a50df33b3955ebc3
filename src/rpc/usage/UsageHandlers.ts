import { Effect } from "effect"
import { Usage } from "../../business/usage/Usage.ts"
import { UsageReports } from "../../business/usage/UsageReports.ts"
import { Users } from "../../business/users/Users.ts"
import { now } from "../../domain/Fields.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { usageMetricsList } from "../../domain/usage/UsageReport.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./UsageRpcs.ts"

export const make = Effect.gen(function* () {
  const reports = yield* UsageReports
  const usage = yield* Usage
  const users = yield* Users

  return {
    "usage.currentPeriod": decoded(input.user, ({ user_id }) =>
      Effect.flatMap(users.getCached(user_id), ({ id, subscription_plan: plan }) =>
        reports.currentPeriod({ id, plan }),
      ),
    ),
    "usage.summary": decoded(input.summary, ({ days, user_id }) =>
      Effect.flatMap(users.getCached(user_id), ({ id }) => reports.summary(id, days)),
    ),
    "usage.trends": decoded(input.trends, ({ metric, user_id }) =>
      Effect.flatMap(users.getCached(user_id), ({ id }) => reports.trends(id, metric)),
    ),
    "usage.daily": decoded(input.daily, ({ days, metric, user_id }) =>
      Effect.flatMap(users.getCached(user_id), ({ id }) => reports.daily(id, metric, days)),
    ),
    "usage.breakdown": decoded(input.breakdown, ({ days, metric, user_id }) =>
      Effect.flatMap(users.getCached(user_id), ({ id }) => reports.breakdown(id, metric, days)),
    ),
    "usage.topUsers": decoded(input.topUsers, ({ limit, metric }) =>
      reports.topUsers(metric, limit),
    ),
    "usage.metrics": decoded(input.metrics, () => Effect.succeed(usageMetricsList)),
    "usage.record": decoded(
      input.record,
      Effect.fnUntraced(function* ({ source, ...event }) {
        yield* users.getCached(event.user_id)
        const { caller } = yield* RequestInfo
        yield* usage.record([
          {
            ...event,
            source: `rpc:${caller ?? ""}:${source}`,
            estimated: false,
            occurred_at: yield* now,
          },
        ])
      }),
    ),
  }
})
