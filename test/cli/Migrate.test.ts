import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { migrations } from "../../migrations/index.ts"
import { results } from "../../src/cli/Results.ts"
import * as Migrations from "../../src/core/sql/Migrations.ts"
import { jsonOf, processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import * as TestDatabase from "../TestDatabase.ts"

const names = Object.keys(migrations)
const newest = names.at(-1) ?? ""

const run = (line: string) =>
  Effect.flatMap(TestDatabase.TestDatabase, (DATABASE_URL) =>
    plinth({ DATABASE_URL }, ...line.split(" ")),
  )

const json = (line: string) => Effect.map(run(`${line} --json`), jsonOf)

const decode = Schema.decodeUnknownSync(results["migrate status"])

layer(TestDatabase.layer)("plinth migrate", (it) => {
  it.effect(
    "migrates once when run twice concurrently, and both runs succeed",
    () =>
      Effect.gen(function* () {
        yield* Effect.repeat(Migrations.rollback(), { until: (name) => name === null })

        const runs = yield* Effect.all([run("migrate"), run("migrate")], {
          concurrency: "unbounded",
        })

        const success = { code: 0, stderr: "" }
        assert.sameDeepMembers(runs, [
          { ...success, stdout: `${names.map((name) => `Ran ${name}`).join("\n")}\n` },
          { ...success, stdout: "Nothing to migrate\n" },
        ])
      }),
    processTimeoutMs,
  )

  it.effect(
    "lists pending migrations, which `users` commands run on SQLite and require on PostgreSQL",
    () =>
      Effect.gen(function* () {
        yield* Migrations.run()
        assert.deepStrictEqual(yield* json("migrate down --yes"), { rolled_back: newest })

        const [status, doctor] = yield* Effect.all([json("migrate status"), run("doctor")], {
          concurrency: 2,
        })
        assert.include(status, { pending: 1 })
        assert.strictEqual(doctor.code, 0)
        assert.match(doctor.stdout, /^Database +warning .*migrations are pending \(1\)/m)

        const stderr = "plinth: migrations are pending (1): run plinth migrate\n"
        assert.deepStrictEqual(
          yield* run("users list"),
          TestDatabase.dialect() === "pg"
            ? { code: 1, stdout: "", stderr }
            : { code: 0, stdout: "No users\n", stderr: "" },
        )
        const { pending } = yield* Migrations.status()
        assert.deepStrictEqual(pending, TestDatabase.dialect() === "pg" ? [newest] : [])
      }),
    processTimeoutMs,
  )

  it.effect(
    "refuses a database that ran another migration of that number, until it is renamed",
    () =>
      Effect.gen(function* () {
        yield* Migrations.run()
        const sql = yield* SqlClient.SqlClient
        const other = "0009_other"
        yield* sql`UPDATE migrations SET name = ${other} WHERE id = 9`
        const rename = `migrate rename ${other} ${newest}`

        const [serve, migrate, status, doctor] = yield* Effect.all(
          [run("serve"), run("migrate"), run("migrate status"), run("doctor")],
          { concurrency: 2 },
        )

        const stderr = `plinth: this database ran ${other}, but this release has ${newest} at that number. If it was renamed: plinth ${rename}. `
        assert.deepStrictEqual([serve.code, migrate.code, status.code], [1, 1, 1])
        for (const outcome of [serve, migrate, status]) {
          assert.strictEqual(outcome.stderr.slice(0, stderr.length), stderr)
          assert.match(outcome.stderr, /^.+\n$/)
        }
        assert.match(status.stdout, new RegExp(`^9 +${newest} +- +true$`, "m"))
        assert.match(status.stdout, new RegExp(`^9 +${other} +2.+ false$`, "m"))
        assert.match(doctor.stdout, new RegExp(`^Database +broken .*${other}.*${newest}`, "m"))

        assert.deepStrictEqual(yield* json(rename), { from: other, to: newest })
        assert.deepStrictEqual((yield* Migrations.status()).problems, [])
      }),
    processTimeoutMs,
  )

  it.effect(
    "lists migrations of a newer release, and then neither migrates nor rolls back",
    () =>
      Effect.gen(function* () {
        yield* Migrations.run()
        const sql = yield* SqlClient.SqlClient
        const row = { id: 10, name: "0010_newer", applied_at: "2100-01-01T00:00:00.000Z" }
        yield* sql`INSERT INTO migrations ${sql.insert(row)}`

        const [status, doctor, migrate, down] = yield* Effect.all(
          [json("migrate status"), run("doctor"), run("migrate"), run("migrate down --yes")],
          { concurrency: 2 },
        )

        assert.include(status, { pending: 0 })
        assert.deepStrictEqual(
          decode(status)
            .migrations.filter(({ known }) => !known)
            .map(({ name }) => name),
          [row.name],
        )
        assert.strictEqual(doctor.code, 0)
        assert.match(doctor.stdout, /^Database +warning .*newer release .*: 0010_newer$/m)
        assert.notMatch(doctor.stdout, /^Jobs .*see Database/m)
        assert.deepStrictEqual([migrate.code, migrate.stdout], [0, "Nothing to migrate\n"])
        assert.match(migrate.stderr, /^.*newer release has migrated.*0010_newer.*\n$/)
        assert.deepStrictEqual([down.code, down.stdout], [1, ""])
        assert.match(
          down.stderr,
          /^plinth: the newest migration 0010_newer is not in this release.*\n$/,
        )
      }),
    processTimeoutMs,
  )
})
