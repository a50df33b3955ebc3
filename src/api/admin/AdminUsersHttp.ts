import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Users } from "../../business/users/Users.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "adminUsers",
  Effect.fnUntraced(function* (handlers) {
    const users = yield* Users

    return handlers.handleAll({
      list: ({ query: { is_active, ...query } }) =>
        users.list({
          ...query,
          ...(is_active === undefined ? {} : { is_active: is_active === "true" }),
        }),
      get: ({ params }) => users.get(params.id),
      update: ({ params, payload }) =>
        Effect.flatMap(CurrentUser, (actor) => users.updateAsAdmin(actor, params.id, payload)),
      activate: ({ params }) =>
        Effect.flatMap(CurrentUser, (actor) => users.activate(actor, params.id)),
      deactivate: ({ params }) =>
        Effect.flatMap(CurrentUser, (actor) => users.deactivate(actor, params.id)),
    })
  }),
)
