import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { text } from "../../domain/Fields.ts"
import { Job, JobId, JobState, JobStats } from "../../domain/Job.ts"
import { Cursor, CursorPage, limit } from "../../domain/Page.ts"
import { enveloped } from "../Envelope.ts"
import { repeatable } from "../Policies.ts"

const params = { job_id: JobId }
const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const
const writeErrors = [...readErrors, enveloped(ConflictError)] as const

export class AdminJobsApi extends HttpApiGroup.make("adminJobs")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        state: Schema.optionalKey(JobState),
        name: Schema.optionalKey(text({ max: 255, example: "send_welcome_email" }).input),
        limit,
        cursor: Schema.optionalKey(Cursor),
      },
      success: CursorPage(Job),
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List jobs",
        description:
          "Newest first, those that ended included. `next_cursor` is null on the last page. Values under names like token, secret or password are `<redacted>`.",
      }),
    ),
    HttpApiEndpoint.get("stats", "/stats", { success: JobStats, error: unavailable }).annotateMerge(
      OpenApi.annotations({
        summary: "Count the jobs",
        description: "How many there are in each state.",
      }),
    ),
    HttpApiEndpoint.get("get", "/:job_id", {
      params,
      success: Job,
      error: readErrors,
    }).annotateMerge(OpenApi.annotations({ summary: "Get a job", description: "In any state." })),
    HttpApiEndpoint.post("retry", "/:job_id/retry", {
      params,
      success: Job,
      error: writeErrors,
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Retry a job",
          description:
            "Runs one that failed or was cancelled again, under the same id. In another state, or while another job has its unique key: 409.",
        }),
      )
      .annotateMerge(repeatable),
    HttpApiEndpoint.delete("cancel", "/:job_id", {
      params,
      success: Job,
      error: writeErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Cancel a job",
        description:
          "It stays in the list. One that runs is interrupted within seconds. One that has ended: 409.",
      }),
    ),
  )
  .prefix("/jobs")
  .annotateMerge(
    OpenApi.annotations({
      title: "Admin: jobs",
      description: "Work in the background, for admins.",
    }),
  ) {}
