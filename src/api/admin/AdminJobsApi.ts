import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { maxLength } from "../../domain/Bounds.ts"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { text } from "../../domain/Fields.ts"
import { Job, JobId, JobState, JobStats } from "../../domain/jobs/Job.ts"
import { Cursor, CursorPage, limit } from "../../domain/Page.ts"
import { enveloped } from "../../http/Envelope.ts"
import { repeatable } from "../../http/Policies.ts"

const params = { job_id: JobId }
const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const
const writeErrors = [...readErrors, enveloped(ConflictError)] as const

export class AdminJobsApi extends HttpApiGroup.make("adminJobs")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        state: Schema.optionalKey(
          JobState.annotate({ description: "Returns only jobs in this state." }),
        ),
        name: Schema.optionalKey(
          text({
            max: maxLength.jobName,
            example: "send_welcome_email",
            description: "Returns only jobs of this kind.",
          }).input,
        ),
        limit,
        cursor: Schema.optionalKey(Cursor),
      },
      success: CursorPage(Job),
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List jobs",
        description:
          "Returns jobs, newest first, including those that have ended. `next_cursor` is null on the last page. Values under keys like token, secret or password are `<redacted>`.",
      }),
    ),
    HttpApiEndpoint.get("stats", "/stats", { success: JobStats, error: unavailable }).annotateMerge(
      OpenApi.annotations({
        summary: "Count jobs by state",
        description: "Returns the number of jobs in each state.",
      }),
    ),
    HttpApiEndpoint.get("get", "/:job_id", {
      params,
      success: Job,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get a job", description: "Returns a job in any state." }),
    ),
    HttpApiEndpoint.post("retry", "/:job_id/retry", {
      params,
      success: Job,
      error: writeErrors,
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Retry a job",
          description:
            "Runs a failed or cancelled job again, under the same id. Returns 409 if the job is in another state, or if another job holds its unique key.",
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
          "Cancels a job that has not ended. A running job is interrupted within seconds. The job stays in the list. Returns 409 if it has ended.",
      }),
    ),
  )
  .prefix("/jobs")
  .annotateMerge(
    OpenApi.annotations({
      title: "Admin: jobs",
      description: "Background jobs, for admins.",
    }),
  ) {}
