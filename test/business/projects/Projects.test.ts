import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Projects } from "../../../src/business/projects/Projects.ts"
import { Users } from "../../../src/business/users/Users.ts"
import type { Position } from "../../../src/domain/Page.ts"
import { ProjectId } from "../../../src/domain/Project.ts"
import * as Business from "../../fixtures/data/Business.ts"

const owner = (sub: string) =>
  Effect.map(
    Effect.flatMap(Users, (users) =>
      Effect.clockWith((clock) => users.resolve(Business.identity(sub), clock)),
    ),
    ({ id }) => id,
  )

/** The position before the first row of a list by cursor. */
const top = { created_at: "", id: "" } as Position

/** Decodes a cursor as the API does. */
const positionOf = (cursor: string) => {
  const [created_at = "", id = ""] = Buffer.from(cursor, "base64url").toString().split(" ")
  return { created_at, id } as Position
}

layer(Business.layer)("Projects", (it) => {
  it.effect("creates with a time-ordered id, updates and removes", () =>
    Effect.gen(function* () {
      const projects = yield* Projects
      const me = yield* owner("maker")
      const created = yield* projects.create(
        { id: me, plan: "free" },
        { name: "Engine", description: null },
      )
      assert.match(created.id, /^[\da-f]{8}-[\da-f]{4}-7/)
      assert.strictEqual(created.owner_id, me)
      assert.strictEqual(created.created_at, created.updated_at)
      assert.deepStrictEqual(yield* projects.get(me, created.id), created)

      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* projects.update(me, created.id, {}), created)
      const changed = yield* projects.update(me, created.id, { description: "Computes" })
      assert.strictEqual(changed.name, "Engine")
      assert.strictEqual(changed.description, "Computes")
      assert.notStrictEqual(changed.updated_at, created.updated_at)

      yield* projects.remove(me, created.id)
      for (const attempt of [
        projects.get(me, created.id),
        projects.update(me, created.id, { name: "x" }),
        projects.remove(me, created.id),
      ]) {
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "NotFoundError")
      }
      assert.strictEqual((yield* projects.list(me, { skip: 0, limit: 20 })).total, 0)
    }),
  )

  it.effect("answers for a project of another user as for a missing one", () =>
    Effect.gen(function* () {
      const projects = yield* Projects
      const [mine, theirs] = yield* Effect.all([owner("one"), owner("two")])
      const { id } = yield* projects.create(
        { id: theirs, plan: "free" },
        { name: "Secret", description: null },
      )
      const missing = ProjectId.make("0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c")
      const attempts = (target: ProjectId) => [
        projects.get(mine, target),
        projects.update(mine, target, { name: "x" }),
        projects.remove(mine, target),
      ]
      for (const attempt of [...attempts(id), ...attempts(missing)]) {
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "NotFoundError")
      }
      assert.strictEqual((yield* projects.list(mine, { skip: 0, limit: 20 })).total, 0)
      assert.strictEqual((yield* projects.get(theirs, id)).name, "Secret")
    }),
  )

  it.effect("finds by a part of name or description", () =>
    Effect.gen(function* () {
      const projects = yield* Projects
      const me = yield* owner("searcher")
      yield* projects.create({ id: me, plan: "free" }, { name: "Straße", description: null })
      yield* projects.create({ id: me, plan: "free" }, { name: "Other", description: "50% done" })
      const found = (search: string) =>
        Effect.gen(function* () {
          const page = yield* projects.list(me, { skip: 0, limit: 20, search })
          const all = yield* projects.listAfter(me, { cursor: top, limit: 20, search })
          assert.deepStrictEqual(all.items, page.items)
          return page.items.map(({ name }) => name)
        })
      assert.deepStrictEqual(yield* found("STRASSE"), ["Straße"])
      assert.deepStrictEqual(yield* found("% d"), ["Other"])
      assert.deepStrictEqual(yield* found("_"), [])
      assert.lengthOf(yield* found(""), 2)
    }),
  )

  it.effect("lists every project once by cursor, newest first", () =>
    Effect.gen(function* () {
      const projects = yield* Projects
      const me = yield* owner("reader")
      for (let index = 0; index < 5; index += 1) {
        yield* projects.create({ id: me, plan: "free" }, { name: `p${index}`, description: null })
        if (index % 2 === 0) yield* TestClock.adjust("1 second")
      }
      const { items } = yield* projects.list(me, { skip: 0, limit: 20 })
      const ids: Array<string> = []
      let cursor: string | null = ""
      while (cursor !== null) {
        const page: { items: ReadonlyArray<{ id: string }>; next_cursor: string | null } =
          yield* projects.listAfter(me, {
            cursor: cursor === "" ? top : positionOf(cursor),
            limit: 2,
          })
        ids.push(...page.items.map(({ id }) => id))
        cursor = page.next_cursor
      }
      assert.deepStrictEqual(
        ids,
        items.map(({ id }) => id),
      )
      assert.lengthOf(ids, 5)
    }),
  )
})
