import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Jobs } from "../../business/operations/Jobs.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "adminJobs",
  Effect.fnUntraced(function* (handlers) {
    const jobs = yield* Jobs

    return handlers.handleAll({
      list: ({ query }) => jobs.list(query),
      stats: () => jobs.stats,
      get: ({ params }) => jobs.get(params.job_id),
      retry: ({ params }) =>
        Effect.flatMap(CurrentUser, (actor) => jobs.retry(actor, params.job_id)),
      cancel: ({ params }) =>
        Effect.flatMap(CurrentUser, (actor) => jobs.cancel(actor, params.job_id)),
    })
  }),
)
