import { assert, layer } from "@effect/vitest"
import { Array, DateTime, Effect, Order, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { Model } from "effect/schema"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { columnTypes } from "../../migrations/Dialect.ts"
import * as Repository from "../../src/core/sql/Repository.ts"
import { contains } from "../../src/core/sql/Search.ts"
import * as Fields from "../../src/domain/Fields.ts"
import { Timestamp } from "../../src/domain/Fields.ts"
import { ConflictError, NotFoundError } from "../../src/domain/Errors.ts"
import type { Position } from "../../src/domain/Page.ts"
import * as TestDatabase from "../TestDatabase.ts"

class Thing extends Model.Class<Thing>("Thing")({
  id: Model.GeneratedByApp(Schema.String),
  owner_id: Model.GeneratedByApp(Schema.String),
  code: Fields.Required(Fields.text({ max: 255, example: "x" })),
  note: Fields.Nullable(Fields.text({ max: 255, example: "x" })),
  done: Fields.Bool,
  extra: Fields.Json,
  size: Schema.Int,
  created_at: Fields.CreatedAt,
  updated_at: Fields.UpdatedAt,
}) {}

const createTable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { id, timestamp, boolean, json, integer } = yield* columnTypes
  yield* sql`
    CREATE TABLE IF NOT EXISTS things (
      id ${id} PRIMARY KEY,
      owner_id ${id} NOT NULL,
      code TEXT NOT NULL UNIQUE,
      note TEXT,
      done ${boolean} NOT NULL,
      extra ${json} NOT NULL,
      size ${integer} NOT NULL,
      created_at ${timestamp} NOT NULL,
      updated_at ${timestamp} NOT NULL,
      deleted_at ${timestamp}
    )
  `
})

const things = Effect.andThen(
  createTable,
  Repository.makeSoftDeleting(Thing, { table: "things", resource: "Thing", scope: "owner_id" }),
)

const uuid = () => SecureRandom.uuidV7Unsafe()

const at = (millis: number) => Timestamp.make(DateTime.formatIso(DateTime.makeUnsafe(millis)))

const thing = (owner_id: string, changes: Partial<typeof Thing.insert.Type> = {}) => ({
  id: uuid(),
  owner_id,
  code: uuid(),
  note: null,
  done: false,
  extra: {},
  size: 0,
  created_at: at(0),
  updated_at: at(0),
  ...changes,
})

const conflict = (field: string) =>
  new ConflictError({ resource: "Thing", reason: "duplicate", field })

const start: Position = { created_at: Timestamp.make(""), id: "" }

const newestFirst = Order.combine(
  Order.mapInput(Order.flip(Order.String), (row: Thing) => row.created_at),
  Order.mapInput(Order.flip(Order.String), (row: Thing) => row.id),
)

layer(TestDatabase.layer)("Repository", (it) => {
  it.effect("returns what was inserted, as plain data", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const row = thing(owner, {
        note: "größer ✓ 🎉 \\ ' \" %",
        done: true,
        extra: { nested: { list: [1, 2.5, true, null, "x"] }, "": "empty" },
        size: 2 ** 40,
      })

      assert.deepStrictEqual({ ...(yield* repo.insert(row)) }, row)
      assert.deepStrictEqual({ ...(yield* repo.get(owner, row.id)) }, row)
    }),
  )

  it.effect("answers for another owner's row as for a missing one", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const [owner, other] = [uuid(), uuid()]
      const { id } = yield* repo.insert(thing(owner))
      const attempts = (target: string) => [
        repo.get(other, target),
        repo.update(other, target, { note: "mine" }),
        repo.update(other, target, {}),
        repo.delete(other, target),
        repo.softDelete(other, target),
        repo.restore(other, target),
        repo.withDeleted.get(other, target),
      ]

      for (const target of [
        id,
        uuid(),
        "no-uuid",
        "",
        "nul\0",
        "\ud800",
        "'; --",
        "x".repeat(5000),
      ]) {
        for (const attempt of attempts(target)) {
          const error = yield* Effect.flip(attempt)
          assert.deepStrictEqual(error, new NotFoundError({ resource: "Thing", id: target }))
        }
      }
      assert.strictEqual((yield* repo.list(other, { skip: 0, limit: 9 })).total, 0)
      assert.strictEqual(yield* repo.count(other), 0)
      assert.strictEqual((yield* repo.get(owner, id)).note, null)
    }),
  )

  it.effect("updates the patched fields and the time, and nothing for an empty patch", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const row = thing(owner, { note: "kept", extra: { a: 1 } })
      yield* repo.insert(row)
      yield* TestClock.setTime(5000)

      assert.deepStrictEqual({ ...(yield* repo.update(owner, row.id, {})) }, row)
      const updated = yield* repo.update(owner, row.id, { done: true, extra: { b: [2] } })
      assert.deepStrictEqual(
        { ...updated },
        { ...row, done: true, extra: { b: [2] }, updated_at: at(5000) },
      )
      assert.strictEqual((yield* repo.update(owner, row.id, { note: null })).note, null)
    }),
  )

  it.effect("never changes the id, owner or time of creation, whatever the patch contains", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const row = yield* repo.insert(thing(owner))
      const patch = { ...thing(uuid(), { created_at: at(9) }), deleted_at: at(9), note: "new" }

      const updated = yield* repo.update(owner, row.id, patch)

      const { id, owner_id, created_at } = updated
      assert.deepStrictEqual([id, owner_id, created_at], [row.id, owner, at(0)])
      assert.strictEqual(updated.note, "new")
    }),
  )

  it.effect("names the column of a duplicate", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const first = yield* repo.insert(thing(owner))
      const second = yield* repo.insert(thing(owner))

      const same = yield* Effect.flip(repo.insert(thing(uuid(), { code: first.code })))
      const sameId = yield* Effect.flip(repo.insert(thing(uuid(), { id: first.id })))
      const patched = yield* Effect.flip(repo.update(owner, second.id, { code: first.code }))

      assert.deepStrictEqual(same, conflict("code"))
      assert.deepStrictEqual(sameId, conflict("id"))
      assert.deepStrictEqual(patched, conflict("code"))
    }),
  )

  it.effect("hides a deleted row until it is restored", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const row = yield* repo.insert(thing(owner))
      yield* TestClock.setTime(7000)

      yield* repo.softDelete(owner, row.id)

      for (const attempt of [
        repo.get(owner, row.id),
        repo.update(owner, row.id, { note: "x" }),
        repo.delete(owner, row.id),
        repo.softDelete(owner, row.id),
      ]) {
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "NotFoundError")
      }
      assert.deepStrictEqual(yield* repo.list(owner, { skip: 0, limit: 9 }), {
        items: [],
        total: 0,
        skip: 0,
        limit: 9,
      })
      assert.strictEqual((yield* repo.withDeleted.get(owner, row.id)).deleted_at, at(7000))
      assert.strictEqual((yield* repo.withDeleted.list(owner, { skip: 0, limit: 9 })).total, 1)

      assert.deepStrictEqual(yield* repo.restore(owner, row.id), row)
      assert.deepStrictEqual(yield* repo.get(owner, row.id), row)
      assert.strictEqual((yield* Effect.flip(repo.restore(owner, row.id)))._tag, "NotFoundError")
    }),
  )

  it.effect("deletes a row permanently", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const owner = uuid()
      const row = yield* repo.insert(thing(owner))

      yield* repo.delete(owner, row.id)

      assert.strictEqual(
        (yield* Effect.flip(repo.withDeleted.get(owner, row.id)))._tag,
        "NotFoundError",
      )
      yield* repo.insert(row)
    }),
  )

  it.effect("lists and counts the rows that match the caller's condition", () =>
    Effect.gen(function* () {
      const repo = yield* things
      const sql = yield* SqlClient.SqlClient
      const owner = uuid()
      yield* Effect.forEach(Array.range(0, 4), (size) =>
        repo.insert(thing(owner, { size, note: size % 2 === 0 ? "Größe" : null })),
      )
      const even = contains(sql, ["note"], "GRÖSSE")
      const page = yield* repo.list(owner, { skip: 1, limit: 1 }, even)
      const small = yield* repo.listAfter(owner, { position: start, limit: 9 }, sql`size < 2`)
      const none = yield* repo.list(owner, { skip: 7, limit: 1 }, sql`size = 1 OR size = 2`)

      assert.deepStrictEqual([page.total, page.items.length], [3, 1])
      assert.strictEqual(small.items.length, 2)
      assert.deepStrictEqual(none, { items: [], total: 2, skip: 7, limit: 1 })
      assert.strictEqual(yield* repo.count(owner, even), 3)
    }),
  )

  const rows = Schema.Array(
    Schema.Struct({
      age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
      deleted: Schema.Boolean,
    }),
  ).check(Schema.isMaxLength(12))
  const limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))

  it.effect.prop(
    "lists the same rows by page and by cursor, newest first, each once",
    [rows, limit],
    ([planned, limit]) =>
      Effect.gen(function* () {
        const repo = yield* things
        const owner = uuid()
        const all = yield* Effect.forEach(planned, ({ age }) =>
          repo.insert(thing(owner, { created_at: at(age * 1000) })),
        )
        const living = all.filter((_, index) => planned[index]?.deleted === false)
        yield* Effect.forEach(all, (row, index) =>
          planned[index]?.deleted ? repo.softDelete(owner, row.id) : Effect.void,
        )
        const expected = Array.sort(living, newestFirst)

        const pages: Array<Thing> = []
        for (let skip = 0; skip <= living.length; skip += limit) {
          const page = yield* repo.list(owner, { skip, limit })
          assert.deepStrictEqual([page.total, page.skip, page.limit], [living.length, skip, limit])
          pages.push(...page.items)
        }
        assert.deepStrictEqual(pages, expected)

        const walked: Array<Thing> = []
        let position: Position | null = start
        while (position !== null) {
          const page: { items: ReadonlyArray<Thing>; next: Position | null } =
            yield* repo.listAfter(owner, { position, limit })
          assert.isAtMost(page.items.length, limit)
          walked.push(...page.items)
          position = page.next
        }
        assert.deepStrictEqual(walked, expected)
        assert.strictEqual(yield* repo.count(owner), living.length)
        assert.strictEqual(
          (yield* repo.withDeleted.list(owner, { skip: 0, limit: 100 })).total,
          all.length,
        )
      }),
    { arbitrary: { runs: 25 } },
  )
})
