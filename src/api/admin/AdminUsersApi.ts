import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import {
  AuthorizationError,
  ConflictError,
  NotFoundError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { limit, Page, search, skip } from "../../domain/Page.ts"
import { AdminUser, AdminUserPatch, Role, UserId } from "../../domain/User.ts"
import { enveloped } from "../Envelope.ts"
import { repeatable } from "../Policies.ts"

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
        is_active: Schema.optionalKey(Schema.Literals(["true", "false"])),
        role: Schema.optionalKey(Role),
        search,
      },
      success: Page(AdminUser),
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List users",
        description: "Newest first. `search` is a case-insensitive substring of e-mail or name.",
      }),
    ),
    HttpApiEndpoint.get("get", "/:id", {
      params,
      success: AdminUser,
      error: readErrors,
    }).annotateMerge(
      OpenApi.annotations({ summary: "Get a user", description: "Any user, active or not." }),
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
          "Role, activity and name. Nobody demotes or deactivates himself, nor the last active admin; only a superadmin grants superadmin or touches one.",
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
          description: "Lets a deactivated user in again.",
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
          description: "Every request of the user is a 403 within 2 seconds, on every process.",
        }),
      )
      .annotateMerge(repeatable),
  )
  .prefix("/users")
  .annotateMerge(
    OpenApi.annotations({ title: "Admin: users", description: "All users, for admins." }),
  ) {}
