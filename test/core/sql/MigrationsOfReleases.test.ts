import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { migrations, type Migration } from "../../../migrations/index.ts"
import { MigrationConflictError, MigrationError } from "../../../src/core/sql/MigrationError.ts"
import * as Migrations from "../../../src/core/sql/Migrations.ts"
import * as NumberedMigrations from "../../fixtures/data/NumberedMigrations.ts"
import { layerFor } from "../../LayerFor.ts"
import { dialect, TestDatabase } from "../../TestDatabase.ts"

const database = Layer.unwrap(Effect.map(TestDatabase, layerFor)).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

const statement = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text))

/** A migration whose table is named after its title, which follows the four digits and "_". */
const table = (name: string): Migration => ({
  up: statement(`CREATE TABLE ${name.slice(5)} (n INTEGER)`),
  down: statement(`DROP TABLE ${name.slice(5)}`),
})

/** Today's migrations and these. */
const release = (...names: ReadonlyArray<string>): Readonly<Record<string, Migration>> => ({
  ...migrations,
  ...Object.fromEntries(names.map((name) => [name, table(name)])),
})

const shipped = Object.keys(migrations)

/**
 * Returns the recorded names besides today's, after checking their numbers and that their tables
 * exist.
 */
const ran = Effect.gen(function* () {
  const rows = yield* statement("SELECT id, name FROM migrations ORDER BY id")
  const names = rows.map((row) => {
    const { id, name } = row as { readonly id: number; readonly name: string }
    assert.strictEqual(id, Number.parseInt(name, 10))
    return name
  })
  const more = names.filter((name) => !shipped.includes(name))
  for (const name of more) yield* statement(`SELECT n FROM ${name.slice(5)}`)
  return more
})

/** Returns the database to today's migrations. */
const reset = Effect.gen(function* () {
  yield* NumberedMigrations.run(migrations)
  for (const name of yield* ran) {
    yield* statement(`DROP TABLE ${name.slice(5)}`)
    yield* statement(`DELETE FROM migrations WHERE name = '${name}'`)
  }
})

const problemOf = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(self), (error) => {
    assert.instanceOf(error, MigrationConflictError)
    return error.message
  })

/** Returns the logged lines from WARN on. */
const warningsOf = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))
  yield* Effect.provide(self, Logger.layer([logger]))
  return lines.filter((line) => line.includes("level=WARN"))
})

const runBad = (up: Migration["up"]) =>
  Migrations.run({ ...release("1001_tasks"), "1002_bad": { up, down: Effect.void } })

/** The error of `runBad`, in the words of each database. */
const failure = (sqlite: string, pg: string) =>
  `migration 1002_bad failed: ${dialect() === "pg" ? pg : sqlite}`

layer(database)("Migrations of several releases", (it) => {
  it.effect("run in a rolling upgrade, and roll back on the newer release only", () =>
    Effect.gen(function* () {
      yield* reset
      const older = release("1001_tasks")
      const newer = release("0010_invoices", "1001_tasks", "1002_notes")
      yield* Migrations.run(older)
      // 0010 runs too, although its number is below the last that ran.
      assert.deepStrictEqual(yield* Migrations.run(newer), ["0010_invoices", "1002_notes"])

      for (const again of [Migrations.run(older), Migrations.pending(older)]) {
        const [warning = "", ...others] = yield* warningsOf(
          Effect.map(again, (names) => assert.deepStrictEqual(names, [])),
        )
        assert.match(
          warning,
          /"a newer release has migrated this database" migrations="0010_invoices, 1002_notes"/,
        )
        assert.deepStrictEqual(others, [])
      }
      assert.include(
        yield* problemOf(Migrations.rollback(older)),
        "the newest migration 1002_notes is not in this release",
      )
      assert.deepStrictEqual(yield* ran, ["0010_invoices", "1001_tasks", "1002_notes"])

      // 1001 ran before both, and so is rolled back last.
      assert.strictEqual(yield* Migrations.rollback(newer), "1002_notes")
      assert.strictEqual(yield* Migrations.rollback(newer), "0010_invoices")
      assert.deepStrictEqual(yield* warningsOf(Migrations.run(older)), [])
      assert.strictEqual(yield* Migrations.rollback(older), "1001_tasks")
    }),
  )

  it.effect("run before, with and after a release that compares numbers only", () =>
    Effect.gen(function* () {
      yield* reset
      const newer = release("0010_invoices", "1001_tasks")
      assert.deepStrictEqual(yield* Migrations.run(), [])
      assert.deepStrictEqual(yield* Migrations.run(newer), ["0010_invoices", "1001_tasks"])
      assert.deepStrictEqual(yield* NumberedMigrations.run(migrations), [])

      yield* Effect.repeat(Migrations.rollback(newer), { times: 1 })
      assert.deepStrictEqual(yield* ran, [])
      assert.deepStrictEqual(yield* NumberedMigrations.run(newer), ["0010_invoices", "1001_tasks"])
      assert.deepStrictEqual(yield* Migrations.run(), [])
      assert.deepStrictEqual(yield* Migrations.run(newer), [])
      assert.deepStrictEqual(yield* ran, ["0010_invoices", "1001_tasks"])
    }),
  )

  it.effect(
    "migrations of two branches with the same number both run on each database, after a rename",
    () =>
      Effect.gen(function* () {
        const merged = release("0010_invoices", "0010_tasks")
        const renamed = release("0010_invoices", "1001_tasks")
        const branches = [
          { first: "0010_invoices", second: "1001_tasks", isRenamed: false },
          { first: "0010_tasks", second: "0010_invoices", isRenamed: true },
        ]
        for (const { first, isRenamed, second } of branches) {
          yield* reset
          yield* NumberedMigrations.run(release(first))
          const problem = yield* problemOf(Migrations.run(merged))
          assert.include(problem, "migrations 0010_invoices and 0010_tasks have the same number")
          assert.include(problem, "plinth migrate rename 0010_tasks 1001_tasks")
          assert.strictEqual(yield* problemOf(Migrations.pending(merged)), problem)
          assert.strictEqual(yield* problemOf(Migrations.rollback(merged)), problem)
          if (isRenamed) {
            assert.include(
              yield* problemOf(Migrations.run(renamed)),
              "If it was renamed to 1001_tasks: plinth migrate rename 0010_tasks 1001_tasks",
            )
            yield* Migrations.rename("0010_tasks", "1001_tasks", renamed)
          }
          assert.deepStrictEqual(yield* Migrations.run(renamed), [second])
          assert.deepStrictEqual(yield* ran, ["0010_invoices", "1001_tasks"])
          assert.deepStrictEqual(yield* Migrations.run(renamed), [])
        }
      }),
  )

  it.effect("refuse a rename that would lose a migration or run one again", () =>
    Effect.gen(function* () {
      yield* reset
      yield* Migrations.run(release("0010_tasks", "0011_notes", "1001_files"))
      const current = release("0010_tasks", "1001_files", "1002_notes", "1003_more")
      const refusals = [
        ["0012_nothing", "1002_notes", "migration 0012_nothing has not run on this database"],
        [
          "0010_tasks",
          "1003_more",
          "migration 0010_tasks is still in this release and would run again",
        ],
        ["0011_notes", "1002_note", "migration 1002_note is not in this release"],
        ["0011_notes", "1001_files", "migration 1001_files has also run on this database"],
      ] as const
      for (const [from, to, reason] of refusals) {
        assert.include(yield* problemOf(Migrations.rename(from, to, current)), reason)
      }
      const taken = release("0010_tasks", "1001_notes")
      assert.include(
        yield* problemOf(Migrations.rename("0011_notes", "1001_notes", taken)),
        "migration 1001_files has also run on this database, so 0011_notes cannot be renamed to 1001_notes",
      )
      assert.deepStrictEqual(yield* ran, ["0010_tasks", "0011_notes", "1001_files"])
      yield* statement("UPDATE migrations SET id = 12 WHERE name = '1001_files'")
      assert.include(
        yield* problemOf(Migrations.rename("0011_notes", "1001_files", current)),
        "migration 1001_files has also run on this database",
      )
      yield* statement("UPDATE migrations SET id = 1001 WHERE name = '1001_files'")

      yield* Migrations.rename("0011_notes", "1002_notes", current)
      assert.deepStrictEqual(yield* Migrations.run(current), ["1003_more"])
    }),
  )

  it.effect(
    "report the failed step with the database's message, including its record and its bugs",
    () =>
      Effect.gen(function* () {
        yield* reset
        assert.strictEqual(
          (yield* Effect.flip(runBad(statement("CREATE TABLE users (n INTEGER)")))).message,
          failure("table users already exists", 'relation "users" already exists'),
        )
        const record = "INSERT INTO migrations VALUES (1002, 'x', '2026-11-25T09:30:00.000Z')"
        assert.strictEqual(
          (yield* Effect.flip(runBad(statement(record)))).message,
          failure(
            "UNIQUE constraint failed: migrations.id",
            'duplicate key value violates unique constraint "migrations_pkey"',
          ),
        )
        const exit = yield* Effect.exit(runBad(Effect.die(new TypeError("not a function"))))
        assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        const bug = Cause.squash(exit.cause)
        assert.instanceOf(bug, MigrationError)
        assert.strictEqual(bug.message, "migration 1002_bad failed: not a function")
        assert.deepStrictEqual(yield* ran, [])
      }),
  )
})
