import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { Timestamp } from "../../domain/Fields.ts"
import { Job, JobId } from "../../domain/jobs/Job.ts"
import { User, UserId } from "../../domain/users/User.ts"
import { enveloped } from "../../http/Envelope.ts"
import { idempotent } from "../../http/Policies.ts"

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
          "Returns the caller's account. A user's first request creates it. The e-mail is updated from the token.",
      }),
    ),
    HttpApiEndpoint.patch("updateMe", "/me", {
      payload: userUpdate,
      success: user,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change your account",
        description:
          "Omitted fields stay unchanged, null clears a field, and `{}` changes nothing.",
      }),
    ),
    HttpApiEndpoint.post("exportMe", "/me/export", {
      success: exportRequested.pipe(HttpApiSchema.status(202)),
      error: enveloped(ServiceUnavailableError),
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Request an export of your data",
          description:
            "Starts a background job that collects all data about the caller, and sends an e-mail when the export is ready. If an export is already running, returns the id of its job.",
        }),
      )
      .annotateMerge(idempotent),
    HttpApiEndpoint.get("myExport", "/me/export", {
      success: userExport,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Download the export of your data",
        description:
          "Returns the latest export as a JSON file: every row about the caller, by table, and the caller's jobs. E-mail and IP addresses of other people are left out, and values under keys like token, secret or password are `<redacted>`. Returns 404 if there is no export, or if it is older than 7 days.",
      }),
    ),
    HttpApiEndpoint.delete("removeMe", "/me", {
      error: [...readErrors, enveloped(ConflictError)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Close your account",
        description:
          "Deactivates the account: every later request gets a 403. After 30 days the account is anonymized and its projects are deleted. Returns 409 for the last active admin.",
      }),
    ),
  )
  .prefix("/users")
  .annotateMerge(
    OpenApi.annotations({ title: "Users", description: "The caller's own account." }),
  ) {}
