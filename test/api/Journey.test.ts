import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { clientFor, newUser, TestServer } from "../TestApp.ts"

layer(TestServer, { excludeTestServices: true })("The API through its own client", (it) => {
  it.effect("signs in, owns projects, and is told typed errors", () =>
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

      const hidden = yield* Effect.flip(other.projects.get({ params }))
      assert.strictEqual(hidden._tag, "NotFoundError")

      yield* client.projects.remove({ params })
      const gone = yield* Effect.flip(client.projects.get({ params }))
      assert.strictEqual(gone._tag, "NotFoundError")
    }),
  )
})
