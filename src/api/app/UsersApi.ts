import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { ConflictError, NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { User } from "../../domain/User.ts"
import { enveloped } from "../Envelope.ts"

const user = User.json.annotate({ identifier: "User" })
const userUpdate = User.jsonUpdate.annotate({ identifier: "UserUpdate" })

const failures = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const

export class UsersApi extends HttpApiGroup.make("users")
  .add(
    HttpApiEndpoint.get("me", "/me", { success: user, error: failures }).annotateMerge(
      OpenApi.annotations({
        summary: "Get your account",
        description:
          "The caller, made on the first request of its `sub`. The e-mail follows the token.",
      }),
    ),
    HttpApiEndpoint.patch("updateMe", "/me", {
      payload: userUpdate,
      success: user,
      error: failures,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change your account",
        description: "A field left out is kept; null clears it; `{}` changes nothing.",
      }),
    ),
    HttpApiEndpoint.delete("removeMe", "/me", {
      error: [...failures, enveloped(ConflictError)],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Close your account",
        description: "Deactivates it: every later request is a 403. The last active admin cannot.",
      }),
    ),
  )
  .prefix("/users")
  .annotateMerge(
    OpenApi.annotations({ title: "Users", description: "The caller's own account." }),
  ) {}
