import { Effect } from "effect"
import { Users } from "../../business/users/Users.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./UsersRpcs.ts"

export const make = Effect.map(Users, (users) => ({
  "users.list": decoded(input.list, users.list),
  "users.get": decoded(input.byId, ({ id }) => users.get(id)),
  "users.getByEmail": decoded(input.getByEmail, ({ email }) => users.getByEmail(email)),
  "users.create": decoded(input.create, users.create),
  "users.update": decoded(input.update, ({ id, ...patch }) =>
    users.updateAsAdmin("operator", id, patch),
  ),
  "users.activate": decoded(input.byId, ({ id }) => users.activate("operator", id)),
  "users.deactivate": decoded(input.byId, ({ id }) => users.deactivate("operator", id)),
  "users.relink": decoded(input.relink, ({ id, to }) => users.relink(id, to)),
}))
