import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Exports } from "../../business/privacy/Exports.ts"
import { Users } from "../../business/users/Users.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const users = yield* Users
    const exports = yield* Exports

    return handlers.handleAll({
      me: () => Effect.flatMap(CurrentUser, ({ id }) => users.get(id)),
      updateMe: ({ payload }) => Effect.flatMap(CurrentUser, ({ id }) => users.update(id, payload)),
      exportMe: () => Effect.flatMap(CurrentUser, ({ id }) => exports.request(id)),
      myExport: () => Effect.flatMap(CurrentUser, ({ id }) => Effect.map(exports.get(id), asFile)),
      removeMe: () => Effect.flatMap(CurrentUser, (user) => users.deactivateSelf(user)),
    })
  }),
)

const asFile = (json: string) =>
  HttpServerResponse.text(json, {
    contentType: "application/json",
    headers: { "content-disposition": 'attachment; filename="export.json"' },
  })
