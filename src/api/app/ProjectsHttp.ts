import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Projects } from "../../business/projects/Projects.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { CursorPage, Page } from "../../domain/Page.ts"
import type { Project } from "../../domain/Project.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"

type ProjectList = Effect.Effect<Page<Project> | CursorPage<Project>, ServiceUnavailableError>

export const layer = HttpApiBuilder.group(
  Api,
  "projects",
  Effect.fnUntraced(function* (handlers) {
    const projects = yield* Projects

    return handlers.handleAll({
      list: ({ query: { cursor, ...page } }) =>
        Effect.flatMap(CurrentUser, ({ id }): ProjectList =>
          cursor === undefined
            ? projects.list(id, page)
            : projects.listAfter(id, { ...page, cursor }),
        ),
      create: ({ payload }) =>
        Effect.flatMap(CurrentUser, (caller) => projects.create(caller, payload)),
      get: ({ params }) =>
        Effect.flatMap(CurrentUser, ({ id }) => projects.get(id, params.project_id)),
      update: ({ params, payload }) =>
        Effect.flatMap(CurrentUser, ({ id }) => projects.update(id, params.project_id, payload)),
      remove: ({ params }) =>
        Effect.flatMap(CurrentUser, ({ id }) => projects.remove(id, params.project_id)),
    })
  }),
)
