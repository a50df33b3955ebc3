import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { outcomeOf, processTimeoutMs, startProgram } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving } from "../fixtures/processes/Serving.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** Returns the source of a migration that creates a table. */
const table = (name: string) =>
  `{ up: Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe("CREATE TABLE ${name} (n INTEGER)")), down: Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe("DROP TABLE ${name}")) }`

/** A copy of this code as the next release, with one more migration of Plinth and one of the product. */
const nextRelease = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-next-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
  ),
  (directory) => {
    for (const name of ["src", "migrations", "package.json"]) {
      cpSync(name, join(directory, name), { recursive: true })
    }
    symlinkSync(resolve("node_modules"), join(directory, "node_modules"), "junction")
    const index = join(directory, "migrations", "index.ts")
    const text = readFileSync(index, "utf8")
      .replace('import type { Effect } from "effect"', 'import { Effect } from "effect"')
      .replace("import type { SqlClient, ", "import { SqlClient, type ")
      .replace("usageIndexes,\n}", `usageIndexes,\n  "0010_invoices": ${table("invoices")},\n}`)
      .replace("...ofProduct", `"1001_tasks": ${table("tasks")}`)
    writeFileSync(index, text)
    return join(directory, "src", "cli.ts")
  },
)

/** Returns the warnings in a log about migrations of a newer release. */
const warnings = (log: string) =>
  log.split("\n").filter((line) => line.includes("a newer release has migrated"))

const isReady = (port: number) =>
  Effect.map(sendTo(port, { path: "/api/v1/public/health/ready" }), ({ status }) =>
    assert.strictEqual(status, 200),
  )

layer(TestDatabase.layer, { excludeTestServices: true })("Two releases", (it) => {
  it.effect(
    "share a database while the newer one is deployed and rolled back",
    () =>
      Effect.gen(function* () {
        const environment = { DATABASE_URL: yield* TestDatabase, LOG_LEVEL: "WARNING" }
        const cli = yield* nextRelease
        const next = (line: string) =>
          Effect.flatMap(startProgram(cli, environment, ...line.split(" ")), outcomeOf)

        const before = yield* serving(environment)
        assert.strictEqual((yield* next("migrate")).stdout, "Ran 0010_invoices\nRan 1001_tasks\n")
        const [again, newer] = yield* Effect.all(
          [
            serving(environment),
            serving(environment, { by: (env) => startProgram(cli, env, "serve") }),
          ],
          { concurrency: 2 },
        )
        yield* Effect.forEach([before, again, newer], ({ port }) => isReady(port))

        const [first, second, third] = yield* Effect.all([before.stop, again.stop, newer.stop])
        assert.deepStrictEqual([first.code, second.code, third.code], [0, 0, 0])
        assert.deepStrictEqual([warnings(first.stdout), warnings(third.stdout)], [[], []])
        assert.strictEqual(warnings(second.stdout).length, 1)
        assert.include(warnings(second.stdout)[0], "0010_invoices, 1001_tasks")

        assert.strictEqual((yield* next("migrate down --yes")).stdout, "Rolled back 1001_tasks\n")
        assert.strictEqual(
          (yield* next("migrate down --yes")).stdout,
          "Rolled back 0010_invoices\n",
        )
        const back = yield* serving(environment)
        yield* isReady(back.port)
        assert.deepStrictEqual(warnings((yield* back.stop).stdout), [])
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )
})
