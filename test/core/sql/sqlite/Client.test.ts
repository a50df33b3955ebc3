import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database, DatabaseUnavailable } from "../../../../src/core/sql/Database.ts"
import { ServiceUnavailableError } from "../../../../src/domain/Errors.ts"
import { layerFor } from "../../../LayerFor.ts"
import { TestDatabase } from "../../../TestDatabase.ts"

const filename = Effect.map(TestDatabase, (url) => url.slice("sqlite:".length))

const file = Layer.unwrap(Effect.map(TestDatabase, layerFor)).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

/** Holds the write lock in another process until that reads a line or this process ends. */
const lockedByAnother = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>>((resume) => {
      const script = `
        const { DatabaseSync } = require("node:sqlite")
        const database = new DatabaseSync(${JSON.stringify(path)})
        database.exec("BEGIN IMMEDIATE")
        process.stdin.on("data", () => { database.exec("COMMIT"); process.exit() })
        process.stdin.on("end", () => process.exit())
        console.log("locked")`
      const child = spawn(process.execPath, ["--eval", script], {
        stdio: ["pipe", "pipe", "ignore"],
      })
      child.stdout.once("data", () => resume(Effect.succeed(child)))
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL")),
  )

layer(file, { excludeTestServices: true })("Sqlite", (it) => {
  it.effect("opens with a write-ahead log and foreign keys, in a directory that it creates", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const nestedPath = join(dirname(yield* filename), "a", "b", "plinth.db")

      const [journal] = yield* sql`PRAGMA journal_mode`
      const [keys] = yield* sql`PRAGMA foreign_keys`
      yield* Effect.provide(
        Effect.flatMap(Database, ({ ping }) => ping),
        layerFor(`sqlite:${nestedPath}`),
      )

      assert.deepStrictEqual(
        [{ ...journal }, { ...keys }],
        [{ journal_mode: "wal" }, { foreign_keys: 1 }],
      )
      assert.isTrue(existsSync(nestedPath))
    }),
  )

  it.effect("names the variable when the file cannot be opened", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.provide(Database, layerFor("sqlite:/dev/null/plinth.db")),
      )
      const error = yield* Effect.flip(exit)

      assert.instanceOf(error, DatabaseUnavailable)
      assert.match(error.message, /^DATABASE_URL/)
      assert.notInclude(error.message, "/dev/null")
    }),
  )

  it.effect("reads booleans and JSON by the declared type of their column, and NULL as null", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE typed (yes BOOLEAN, data JSON_TEXT, plain TEXT)`
      yield* sql`INSERT INTO typed VALUES (${true}, ${'{"a":[1]}'}, ${'{"a":[1]}'}), (${false}, NULL, NULL)`

      const rows = yield* sql`SELECT data AS renamed, yes, plain FROM typed ORDER BY yes`
      const [returned] = yield* sql`UPDATE typed SET yes = NOT yes WHERE yes RETURNING yes`
      const values = yield* sql`SELECT yes, data FROM typed WHERE data IS NOT NULL`.values

      assert.deepStrictEqual(rows, [
        { renamed: null, yes: false, plain: null },
        { renamed: { a: [1] }, yes: true, plain: '{"a":[1]}' },
      ])
      assert.deepStrictEqual(returned, { yes: false })
      assert.deepStrictEqual(values, [[false, { a: [1] }]])
    }),
  )

  // node:sqlite of Node 22 counts the columns before SQLite prepares the statement again.
  const isStale = process.versions.node.startsWith("22.")
  it.effect("reads an integer beyond 2^53 as the nearest number, as PostgreSQL does", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE large (quantity BIGINT, flag BOOLEAN)`
      yield* sql`INSERT INTO large VALUES (1, TRUE), (9223372036854775807, FALSE)`
      const read = sql`SELECT * FROM large ORDER BY quantity`
      const rows = [
        { quantity: 1, flag: true },
        { quantity: 2 ** 63, flag: false },
      ]
      assert.deepStrictEqual(yield* read, rows)
      assert.deepStrictEqual(yield* read, rows)
    }),
  )

  it.effect.skipIf(isStale)("sees columns that another process adds", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE grown (a INTEGER)`
      yield* sql`INSERT INTO grown VALUES (1)`
      const select = sql`SELECT * FROM grown`
      assert.deepStrictEqual(yield* select, [{ a: 1 }])

      const other = new DatabaseSync(yield* filename)
      other.exec("ALTER TABLE grown ADD COLUMN b BOOLEAN DEFAULT 1")
      other.close()

      assert.deepStrictEqual(yield* select, [{ a: 1, b: true }])
    }),
  )

  it.effect("evicts cached statements beyond its limit, and prepares them again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (let round = 0; round < 2; round += 1) {
        for (let n = 0; n < 600; n += 1) {
          assert.deepStrictEqual(yield* sql.unsafe(`SELECT ${n} AS n`), [{ n }])
        }
      }
    }),
  )

  it.effect("blocks a statement while a transaction is open, and runs it afterwards", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const [opened, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const owner = yield* Effect.forkChild(
        transaction(
          Deferred.succeed(opened, undefined).pipe(Effect.andThen(Deferred.await(release))),
        ),
      )
      yield* Deferred.await(opened)

      const reader = yield* Effect.forkChild(sql`SELECT 1 AS one`)
      yield* Effect.sleep(30)
      assert.isUndefined(reader.pollUnsafe())
      yield* Deferred.succeed(release, undefined)

      assert.deepStrictEqual(yield* Fiber.join(reader), [{ one: 1 }])
      yield* Fiber.join(owner)
    }),
  )

  it.effect("waits for another process's lock without blocking this process", () =>
    Effect.gen(function* () {
      const { transaction, write } = yield* Database
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE waiting (n INTEGER)`
      const other = yield* lockedByAnother(yield* filename)

      const writer = yield* Effect.forkChild(write("Waiting")(sql`INSERT INTO waiting VALUES (1)`))
      const owner = yield* Effect.forkChild(transaction(sql`INSERT INTO waiting VALUES (2)`))
      yield* Effect.sleep(100)
      assert.deepStrictEqual(yield* sql`SELECT n FROM waiting`, [])
      other.stdin?.write("go")

      yield* Fiber.join(writer)
      yield* Fiber.join(owner)
      assert.strictEqual((yield* sql`SELECT n FROM waiting`).length, 2)
    }).pipe(Effect.scoped),
  )

  it.effect(
    "fails with a typed error when a lock is held too long, and works once it is released",
    () =>
      Effect.gen(function* () {
        const { transaction, write } = yield* Database
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE busy (n INTEGER)`
        const insert = sql`INSERT INTO busy VALUES (1)`

        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* lockedByAnother(yield* filename)
            const errors = yield* Effect.all(
              [Effect.flip(write("Busy")(insert)), Effect.flip(transaction(insert))],
              { concurrency: "unbounded" },
            )
            for (const error of errors) {
              assert.instanceOf(error, ServiceUnavailableError)
              assert.deepStrictEqual([error.service, error.retry_after], ["database", 1])
            }
          }),
        )

        yield* transaction(insert)
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(insert)))
      }),
  )
})
