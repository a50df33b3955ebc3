import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  AuthorizationError,
  ConflictError,
  NotFoundError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { limit, Page, search, skip } from "../../domain/Page.ts"
import { AdminUser, AdminUserPatch, Role, UserId } from "../../domain/users/User.ts"
import { enveloped } from "../../http/Envelope.ts"
import { repeatable } from "../../http/Policies.ts"

const params = { id: UserId }
const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const
const writeErrors = [
  ...readErrors,
  enveloped(ConflictError),
  enveloped(AuthorizationError),
] as const

export class AdminUsersApi extends HttpApiGroup.make("adminUsers")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        skip,
        limit,
        is_active: Schema.optionalKey(
          Schema.Literals(["true", "false"]).annotate({
            description:
              "Returns only active users with `true`, only deactivated users with `false`.",
          }),
        ),
        role: Schema.optionalKey(
          Role.annotate({ description: "Returns only users with this role." }),
        ),
        search,
      },
      success: Page(AdminUser),
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List users",
        description:
          "Returns users, newest first. `search` matches a case-insensitive substring of the e-mail or name.",
      }),
    ),
    HttpApiEndpoint.get("get", "/:id", {
      params,
      success: AdminUser,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get a user", description: "Returns a user, active or not." }),
    ),
    HttpApiEndpoint.patch("update", "/:id", {
      params,
      payload: AdminUserPatch,
      success: AdminUser,
      error: writeErrors,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change a user",
        description:
          "Changes the role, the active state and the name. Admins cannot demote or deactivate themselves or the last active admin. Only a superadmin can grant the superadmin role or change a superadmin.",
      }),
    ),
    HttpApiEndpoint.post("activate", "/:id/activate", {
      params,
      success: AdminUser,
      error: writeErrors,
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Activate a user",
          description: "Restores access for a deactivated user.",
        }),
      )
      .annotateMerge(repeatable),
    HttpApiEndpoint.post("deactivate", "/:id/deactivate", {
      params,
      success: AdminUser,
      error: writeErrors,
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Deactivate a user",
          description:
            "Blocks the user: within 2 seconds, every process answers their requests with 403.",
        }),
      )
      .annotateMerge(repeatable),
  )
  .prefix("/users")
  .annotateMerge(
    OpenApi.annotations({ title: "Admin: users", description: "All users, for admins." }),
  ) {}
