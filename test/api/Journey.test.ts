import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { HttpApiClient } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { baseUrl, clientFor, newUser, TestServer } from "../TestApp.ts"

layer(TestServer, { excludeTestServices: true })("The API client", (it) => {
  it.effect("signs users in, manages projects, and returns typed errors", () =>
    Effect.gen(function* () {
      const [ada, bob] = [newUser(), newUser()]
      const client = yield* clientFor(ada, { email: "Ada@Example.com" })
      const other = yield* clientFor(bob)

      const me = yield* client.users.me()
      assert.strictEqual(me.id, ada)
      assert.strictEqual(me.email, "Ada@Example.com")

      const renamed = yield* client.users.updateMe({ payload: { full_name: " Ada " } })
      assert.strictEqual(renamed.full_name, "Ada")

      const project = yield* client.projects.create({
        payload: { name: "  Engine ", description: null },
      })
      assert.strictEqual(project.name, "Engine")
      const params = { project_id: project.id }
      assert.deepStrictEqual(yield* client.projects.get({ params }), project)
      assert.deepStrictEqual(yield* client.projects.list({ query: { skip: 0, limit: 20 } }), {
        items: [project],
        total: 1,
        skip: 0,
        limit: 20,
      })

      const found = yield* client.projects.list({ query: { skip: 0, limit: 20, search: "ENG" } })
      assert.deepStrictEqual(found.items, [project])
      const patched = yield* client.projects.update({ params, payload: { description: " b " } })
      assert.deepInclude(patched, { name: "Engine", description: "b" })

      const hidden = yield* Effect.flip(other.projects.get({ params }))
      assert.strictEqual(hidden._tag, "NotFoundError")

      yield* client.projects.remove({ params })
      const removed = yield* Effect.flip(client.projects.get({ params }))
      assert.strictEqual(removed._tag, "NotFoundError")

      const refused = yield* Effect.flip(client.adminUsers.list({ query: { skip: 0, limit: 20 } }))
      assert.strictEqual(refused._tag, "AuthorizationError")
      const stranger = yield* HttpApiClient.make(Api, { baseUrl: yield* baseUrl })
      const unknown = yield* Effect.flip(stranger.users.me())
      assert.strictEqual(unknown._tag, "AuthenticationError")
    }),
  )
})
