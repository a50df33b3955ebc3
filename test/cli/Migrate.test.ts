import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { migrations } from "../../migrations/index.ts"
import * as Migrations from "../../src/core/Migrations.ts"
import { jsonOf, patience, plinth } from "../fixtures/Plinth.ts"
import * as TestDatabase from "../TestDatabase.ts"

const names = Object.keys(migrations)
const newest = names.at(-1) ?? ""

const run = (line: string) =>
  Effect.flatMap(TestDatabase.TestDatabase, (DATABASE_URL) =>
    plinth({ DATABASE_URL }, ...line.split(" ")),
  )

const json = (line: string) => Effect.map(run(`${line} --json`), jsonOf)

layer(TestDatabase.layer)("plinth migrate", (it) => {
  it.effect(
    "run twice at once works once, and both end well",
    () =>
      Effect.gen(function* () {
        yield* Effect.repeat(Migrations.rollback(), { until: (name) => name === null })

        const runs = yield* Effect.all([run("migrate"), run("migrate")], {
          concurrency: "unbounded",
        })

        const ended = { code: 0, stderr: "" }
        assert.sameDeepMembers(runs, [
          { ...ended, stdout: `${names.map((name) => `Ran ${name}`).join("\n")}\n` },
          { ...ended, stdout: "Nothing to migrate\n" },
        ])
      }),
    patience,
  )

  it.effect(
    "tells what is pending, which users commands run on SQLite and ask for on PostgreSQL",
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
    patience,
  )
})
