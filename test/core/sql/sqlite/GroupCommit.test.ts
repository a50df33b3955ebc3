import { statSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient } from "effect/sql"
import { Database } from "../../../../src/core/sql/Database.ts"
import * as Client from "../../../../src/core/sql/sqlite/Client.ts"
import { layerFor } from "../../../LayerFor.ts"
import { TestDatabase } from "../../../TestDatabase.ts"

const file = Layer.unwrap(Effect.map(TestDatabase, layerFor)).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

const makeTable = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE IF EXISTS notes`
  yield* sql`CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL CHECK (text <> 'no'))`
})

const rows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly id: number; readonly text: string }>`SELECT * FROM notes ORDER BY id`,
)

/** A write on one of a few rows, so that writes meet. */
const Write = Schema.Struct({
  kind: Schema.Literals(["insert", "update", "delete"]),
  id: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })),
  text: Schema.Literals(["a", "b", "no"]),
})

const run = ({ kind, id, text }: typeof Write.Type) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const statement =
      kind === "insert"
        ? sql`INSERT INTO notes (id, text) VALUES (${id}, ${text}) RETURNING id, text`
        : kind === "update"
          ? sql`UPDATE notes SET text = ${text} WHERE id = ${id} RETURNING id, text`
          : sql`DELETE FROM notes WHERE id = ${id} RETURNING id, text`
    return Effect.exit(statement)
  })

const shown = (exits: ReadonlyArray<Exit.Exit<ReadonlyArray<object>, unknown>>) =>
  exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.map((row) => ({ ...row })) : "failed"))

layer(file, { excludeTestServices: true })("Single writes of one turn of the event loop", (it) => {
  it.effect.prop(
    "do and answer the same together as one after the other",
    [Schema.Array(Write)],
    ([all]) =>
      Effect.gen(function* () {
        yield* makeTable
        const together = yield* Effect.forEach(all, run, { concurrency: "unbounded" })
        const found = shown([Exit.succeed(yield* rows)])
        yield* makeTable
        const inTurn = yield* Effect.forEach(all, run)

        assert.deepStrictEqual(shown(together), shown(inTurn))
        assert.deepStrictEqual(found, shown([Exit.succeed(yield* rows)]))
      }),
  )

  it.effect("are one transaction, which writes each changed page once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const path = (yield* TestDatabase).slice("sqlite:".length)
      yield* makeTable
      const grown = Effect.fnUntraced(function* (concurrency: number) {
        yield* sql`PRAGMA wal_checkpoint(TRUNCATE)`
        yield* Effect.forEach(
          Array.from({ length: 50 }),
          () => sql`INSERT INTO notes (text) VALUES ('a')`,
          { concurrency },
        )
        return statSync(`${path}-wal`).size
      })
      const inTurn = yield* grown(1)
      assert.isBelow((yield* grown(50)) * 10, inTurn)
    }),
  )

  it.effect("are not part of a transaction that is open, and wait for it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { transaction } = yield* Database
      yield* makeTable
      const rolledBack = transaction(
        Effect.gen(function* () {
          yield* sql`INSERT INTO notes (id, text) VALUES (1, 'rolled back')`
          yield* Effect.sleep("20 millis")
          return yield* Effect.fail("rolled back" as const)
        }),
      )
      const open = yield* Effect.forkChild(Effect.exit(rolledBack), { startImmediately: true })
      yield* Effect.forEach([2, 3], (id) => sql`INSERT INTO notes (id, text) VALUES (${id}, 'a')`, {
        concurrency: 2,
      })
      yield* Fiber.join(open)

      assert.deepStrictEqual(
        (yield* rows).map(({ id }) => id),
        [2, 3],
      )
    }),
  )

  it.effect("whose caller is interrupted before the turn ends are not made", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* makeTable
      const [first, second] = yield* Effect.forEach([1, 2], (id) =>
        Effect.forkChild(sql`INSERT INTO notes (id, text) VALUES (${id}, 'a')`, {
          startImmediately: true,
        }),
      )
      if (first !== undefined) yield* Fiber.interrupt(first)
      if (second !== undefined) yield* Fiber.join(second)

      assert.deepStrictEqual(
        (yield* rows).map(({ id }) => id),
        [2],
      )
    }),
  )

  it.effect("are made once when one of them fills the disk, which undoes those before it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* makeTable
      yield* sql`INSERT INTO notes (id, text) VALUES (1, 'a')`
      const [{ page_count } = { page_count: 0 }] = yield* sql<{
        readonly page_count: number
      }>`PRAGMA page_count`
      yield* sql.unsafe(`PRAGMA max_page_count = ${page_count + 3}`)
      const append = (text: string) => sql`UPDATE notes SET text = text || ${text} WHERE id = 1`
      const exits = yield* Effect.forEach(
        [
          append("b"),
          sql`INSERT INTO notes (id, text) VALUES (2, ${"x".repeat(100_000)})`,
          append("c"),
          sql`INSERT INTO notes (id, text) VALUES (3, 'a')`,
        ],
        Effect.exit,
        { concurrency: "unbounded" },
      )
      yield* sql`PRAGMA max_page_count = 4294967294`

      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true, true])
      assert.deepStrictEqual(shown([Exit.succeed(yield* rows)]), [
        [
          { id: 1, text: "abc" },
          { id: 3, text: "a" },
        ],
      ])
    }),
  )

  it.effect("fail if the database closes before the turn ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { sql } = yield* Client.make({ filename: ":memory:", observe: () => undefined }).pipe(
        Effect.provideService(Scope.Scope, scope),
        Effect.provide(Reactivity.layer),
      )
      yield* sql`CREATE TABLE notes (text TEXT)`
      const fibers = yield* Effect.forEach([1, 2], () =>
        Effect.forkDetach(sql`INSERT INTO notes VALUES ('a')`, { startImmediately: true }),
      )
      yield* Scope.close(scope, Exit.void)

      const exits = yield* Effect.timeout(Effect.forEach(fibers, Fiber.await), "2 seconds")
      assert.deepStrictEqual(exits.map(Exit.isFailure), [true, true])
    }),
  )
})
