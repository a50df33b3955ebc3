import { Effect } from "effect"
import { Projects } from "../../business/projects/Projects.ts"
import { Users } from "../../business/users/Users.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./ProjectsRpcs.ts"
import { subscriberOf } from "../Subscriber.ts"

export const make = Effect.gen(function* () {
  const projects = yield* Projects
  const users = yield* Users

  return {
    "projects.list": decoded(input.list, ({ owner_id, ...page }) => projects.list(owner_id, page)),
    "projects.listAfter": decoded(input.listAfter, ({ owner_id, ...page }) =>
      projects.listAfter(owner_id, page),
    ),
    "projects.get": decoded(input.byId, ({ id, owner_id }) => projects.get(owner_id, id)),
    "projects.create": decoded(input.create, ({ owner_id, ...project }) =>
      Effect.flatMap(subscriberOf(users, owner_id), (owner) => projects.create(owner, project)),
    ),
    "projects.update": decoded(input.update, ({ id, owner_id, ...patch }) =>
      projects.update(owner_id, id, patch),
    ),
    "projects.remove": decoded(input.byId, ({ id, owner_id }) => projects.remove(owner_id, id)),
  }
})
