import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { migrations, type Migration } from "../../../migrations/index.ts"
import { Database } from "../../../src/core/sql/Database.ts"
import { MigrationError } from "../../../src/core/sql/MigrationError.ts"
import * as Migrations from "../../../src/core/sql/Migrations.ts"
import { layerFor } from "../../LayerFor.ts"
import { dialect, TestDatabase } from "../../TestDatabase.ts"

const database = Layer.unwrap(Effect.map(TestDatabase, layerFor)).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

const names = Object.keys(migrations)

/**
 * Rolls back every migration, whether the database came migrated (PostgreSQL) or empty (SQLite).
 */
const rollbackAll = Effect.repeat(Migrations.rollback(), { until: (name) => name === null })

const applied = Effect.map(Migrations.status(), ({ migrations }) =>
  migrations.filter(({ applied_at }) => applied_at !== null).map(({ name }) => name),
)

const step = (statement: string): Migration => ({
  up: Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)),
  down: Effect.void,
})

/** Migrates in another process, opening `ready` before it starts; returns the names that it ran. */
const migrateElsewhere = (url: string, ready: Latch.Latch) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const script = `
      import { Effect } from "effect"
      import * as Migrations from "./src/core/sql/Migrations.ts"
      import { layerFor } from "./test/LayerFor.ts"
      console.log("ready")
      const names = await Effect.runPromise(Effect.provide(Migrations.run(), layerFor(process.argv[1])))
      console.log(JSON.stringify(names))`
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script, url])
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      ready.openUnsafe()
    })
    // Node 22 prints a warning there that node:sqlite is experimental.
    let errors = ""
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.once("close", (code) => {
      ready.openUnsafe()
      resume(
        code === 0
          ? Effect.sync(() => decodeNames(output.replace("ready\n", "")))
          : Effect.die(new Error(errors)),
      )
    })
  })

const decodeNames = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.String)))

layer(database)("Migrations", (it) => {
  it("lists every file, by increasing number", () => {
    const files = readdirSync("migrations").filter((file) => /^\d/.test(file))
    assert.deepStrictEqual(names, files.map((file) => file.replace(".ts", "")).toSorted())
  })

  it.effect("runs each migration once and returns their names", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* rollbackAll
      yield* sql`DROP TABLE migrations`

      assert.deepStrictEqual(yield* applied, [])
      assert.deepStrictEqual(yield* Migrations.run(), names)
      assert.deepStrictEqual(yield* Migrations.run(), [])
      assert.deepStrictEqual(yield* applied, names)
    }),
  )

  it.effect("rolls back the newest, and runs it again", () =>
    Effect.gen(function* () {
      yield* Migrations.run()
      const newest = names.at(-1) ?? ""

      assert.strictEqual(yield* Migrations.rollback(), newest)
      assert.deepStrictEqual(yield* applied, names.slice(0, -1))
      assert.deepStrictEqual(yield* Migrations.run(), [newest])
    }),
  )

  it.effect("commits nothing of a run in which one fails, and names the failed one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Migrations.run()
      const bad = {
        ...migrations,
        "9001_good": step("CREATE TABLE half (n INTEGER)"),
        "9002_bad": step("CREATE TABLE half (n INTEGER)"),
      }

      const error = yield* Effect.flip(Migrations.run(bad))

      assert.instanceOf(error, MigrationError)
      assert.include(error.message, "9002_bad")
      assert.match(error.message, /half"? already exists/)
      assert.deepStrictEqual(yield* applied, names)
      yield* sql`CREATE TABLE half (n INTEGER)`
    }),
  )

  it.effect("reports the database's message without values of rows", () =>
    Effect.gen(function* () {
      const statement =
        dialect() === "pg"
          ? "SELECT CAST(word AS INTEGER) FROM (SELECT 'canary' AS word) AS words"
          : "SELECT json_extract('{}', 'canary path')"
      const error = yield* Effect.flip(
        Migrations.run({ ...migrations, "9003_cast": step(statement) }),
      )
      assert.include(error.message, "9003_cast failed: ")
      assert.notInclude(error.message, "canary")
    }),
  )

  it.effect(
    "runs once when several processes start at the same time",
    () =>
      Effect.gen(function* () {
        yield* rollbackAll
        const { transaction } = yield* Database
        const sql = yield* SqlClient.SqlClient
        const url = yield* TestDatabase
        const latches = [Latch.makeUnsafe(), Latch.makeUnsafe(), Latch.makeUnsafe()]

        // All of them wait for the same lock until each has started.
        const hold = sql.onDialectOrElse({
          pg: () => sql`LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE`,
          orElse: () => sql`SELECT 1`,
        })
        const start = Effect.gen(function* () {
          const runs = yield* Effect.forEach(latches, (ready) =>
            Effect.forkDetach(migrateElsewhere(url, ready)),
          )
          // The database ends a transaction that idles while they load.
          const busy = Effect.forever(
            Effect.andThen(sql`SELECT 1`, TestClock.withLive(Effect.sleep(1000))),
          )
          const allReady = Effect.forEach(latches, (ready) => ready.await)
          yield* Effect.raceFirst(allReady, busy)
          yield* TestClock.withLive(Effect.sleep(500))
          return runs
        })
        const runs = yield* transaction(Effect.andThen(hold, start))
        const ran = yield* Effect.forEach(runs, (run) => Fiber.join(run))

        assert.deepStrictEqual(ran.flat(), names)
        assert.deepStrictEqual(yield* applied, names)
      }),
    60_000,
  )
})
