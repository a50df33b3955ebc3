import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { Timestamp } from "../../domain/Fields.ts"
import { Job, JobId } from "../../domain/Job.ts"
import { User, UserId } from "../../domain/User.ts"
import { enveloped } from "../Envelope.ts"
import { idempotent } from "../Policies.ts"

const user = User.json.annotate({ identifier: "User" })
const userUpdate = User.jsonUpdate.annotate({ identifier: "UserUpdate" })

const exportRequested = Schema.Struct({ job_id: JobId }).annotate({ identifier: "ExportRequested" })
const userExport = Schema.Struct({
  exported_at: Timestamp,
  user_id: UserId,
  tables: Schema.Record(Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Unknown))),
  jobs: Schema.Array(Job),
}).annotate({ identifier: "UserExport" })

const readErrors = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const

export class UsersApi extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("me", "/me", { success: user, error: readErrors }).annotateMerge(
      OpenApi.annotations({
        summary: "Get your account",
        description:
          "The caller, made on the first request of its `sub`. The e-mail follows the token.",
      }),
    ),
    HttpApiEndpoint.patch("updateMe", "/me", {
      payload: userUpdate,
      success: user,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change your account",
        description: "A field left out is kept; null clears it; `{}` changes nothing.",
      }),
    ),
    HttpApiEndpoint.post("exportMe", "/me/export", {
      success: exportRequested.pipe(HttpApiSchema.status(202)),
      error: enveloped(ServiceUnavailableError),
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Ask for your data",
          description:
            "A background job gathers all that is held on the caller, and an e-mail says when it is there. While one is being made, its job is named again.",
        }),
      )
      .annotateMerge(idempotent),
    HttpApiEndpoint.get("myExport", "/me/export", {
      success: userExport,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get your data",
        description:
          "The last export, as a JSON file: every row that speaks of the caller, by table, and the jobs. Without e-mails and addresses of others, and with values under names like token, secret or password as `<redacted>`. Kept for 7 days; 404 when there is none.",
      }),
    ),
    HttpApiEndpoint.delete("removeMe", "/me", {
      error: [...readErrors, enveloped(ConflictError)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Close your account",
        description:
          "Deactivates it: every later request is a 403. After 30 days it is made anonymous, and its projects are deleted. The last active admin cannot.",
      }),
    ),
  )
  .prefix("/users")
  .annotateMerge(
    OpenApi.annotations({ title: "Users", description: "The caller's own account." }),
  ) {}
