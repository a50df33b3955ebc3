import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Users } from "../../business/Users.ts"
import { CurrentUser } from "../../domain/User.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const users = yield* Users

    return handlers.handleAll({
      me: () => Effect.flatMap(CurrentUser, ({ id }) => users.get(id)),
      updateMe: ({ payload }) => Effect.flatMap(CurrentUser, ({ id }) => users.update(id, payload)),
      removeMe: () => Effect.flatMap(CurrentUser, (user) => users.deactivateSelf(user)),
    })
  }),
)
