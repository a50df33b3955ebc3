import { Effect } from "effect"
import { PlinthApi } from "plinth/api"
import { ProjectId } from "plinth/domain"

/** Calls the API as a front end does. The token is read for each request. */
const journey = Effect.gen(function* () {
  const api = yield* PlinthApi
  const me = yield* api.users.me()
  const project = yield* api.projects.create({ payload: { name: " Engine ", description: null } })
  const page = yield* api.projects.list({ query: { skip: 0, limit: 5 } })
  const error = yield* Effect.flip(
    api.projects.get({ params: { project_id: ProjectId.make("nope") } }),
  )
  const refused = yield* Effect.flip(
    api.projects.create({ payload: { name: " ", description: null } }),
  )
  return {
    email: me.email,
    name: project.name,
    names: page.items.map(({ name }) => name),
    missing: error._tag === "NotFoundError" ? error.resource : error,
    refused: refused._tag,
  }
})

export const run = (url: string, token: () => Promise<string | null>) =>
  Effect.runPromise(Effect.provide(journey, PlinthApi.layer({ url, token: Effect.promise(token) })))
