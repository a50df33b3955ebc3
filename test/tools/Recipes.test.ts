import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { RecipeProject } from "../fixtures/processes/RecipeProject.ts"
import { apply, recipesOf } from "../fixtures/processes/Recipes.ts"
import { layerFor } from "../LayerFor.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"

/** TypeScript with Effect's diagnostics built in, for both checks in one pass. */
const compiler = resolve(`node_modules/@effect/tsgo-${process.platform}-${process.arch}/lib/tsc`)

/** Test files in the copy that cover what the recipes add, on each database. */
const tests = [
  "test/api/Tasks.test.ts",
  "test/api/Verdicts.test.ts",
  "test/jobs/Tasks.test.ts",
  "test/business/PersonalData.test.ts",
  "test/core/sql/Migrations.test.ts",
]

/** Test files that need no database. */
const testsRunOnce = ["test/tools/Grafana.test.ts"]

/** Test files that run once more, without the hot path. */
const testsOnRouter = ["test/api/Verdicts.test.ts"]

layer(RecipeProject.layer, { excludeTestServices: true, timeout: 120_000 })(
  "The recipes of CONTRIBUTING",
  (it) => {
    it.effect("migrate a database of the previous release", () =>
      Effect.gen(function* () {
        const { database } = yield* RecipeProject
        const applied = Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql<{ name: string }>`SELECT name FROM migrations WHERE id > 1000 ORDER BY id`,
        )
        assert.deepStrictEqual(
          (yield* Effect.provide(applied, layerFor(database))).map(({ name }) => name),
          ["1001_tasks", "1002_task_notes"],
        )
        const rows = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT notes FROM tasks`)
        assert.deepStrictEqual(yield* Effect.provide(rows, layerFor(database)), [])
      }),
    )

    it.effect(
      "compile without findings of Effect's diagnostics",
      () =>
        Effect.gen(function* () {
          const { program, root, touched } = yield* RecipeProject
          const annotations = annotationsOf(readFileSync("CONTRIBUTING.md", "utf8"))
          assert.isAbove(annotations.length, 4)
          writeFileSync(join(root, "Annotated.ts"), annotated(annotations))
          const options = { incremental: false, tsBuildInfoFile: null }
          const files = [...touched, "Annotated.ts"]
          const project = {
            extends: "./tsconfig.json",
            compilerOptions: options,
            include: [],
            files,
          }
          writeFileSync(join(root, "tsconfig.recipes.json"), JSON.stringify(project))
          // One checker takes half the CPU time of the usual four.
          const words = ["--project", "tsconfig.recipes.json", "--checkers", "1"]
          assert.strictEqual(yield* program(compiler, ...words), "")
        }),
      120_000,
    )

    it.effect("pass the linter and the formatter", () =>
      Effect.gen(function* () {
        const { script } = yield* RecipeProject
        const folders = ["src", "test", "migrations", "scripts", "grafana/Panels.ts"]
        assert.strictEqual(yield* script("oxlint/bin/oxlint", ...folders), "")
        assert.strictEqual(yield* script("oxfmt/bin/oxfmt", "--check", ...folders), "")
      }),
    )

    it.effect(
      "pass their tests and their rows of verdicts, on each database",
      () =>
        Effect.gen(function* () {
          const { root, script } = yield* RecipeProject
          const titles =
            "Monitoring|tasks|one row for every operation|PersonalData|rolls back the newest"
          const reporters = [
            "--reporter=default",
            "--reporter=json",
            "--outputFile.json=report.json",
          ]
          const words = ["run", ...tests, ...testsRunOnce, "-t", titles, ...reporters]
          assert.strictEqual(yield* script("vitest/vitest.mjs", ...words), "")
          const { testResults } = decodeReport(readFileSync(join(root, "report.json"), "utf8"))
          const passed = testResults
            .filter(({ assertionResults }) => assertionResults.some(isPassed))
            .map(({ name }) => name.replace(/^.*?(?=test\/)/, ""))
          const databases = hasProgram("embeddedPostgres") ? 2 : 1
          const expected = tests.flatMap((test) => Array.from({ length: databases }, () => test))
          assert.sameMembers(passed, [...expected, ...testsOnRouter, ...testsRunOnce])
        }),
      120_000,
    )
  },
)

const decodeReport = Schema.decodeSync(
  Schema.fromJsonString(
    Schema.Struct({
      testResults: Schema.Array(
        Schema.Struct({
          name: Schema.String,
          assertionResults: Schema.Array(Schema.Struct({ status: Schema.String })),
        }),
      ),
    }),
  ),
)

const isPassed = ({ status }: { readonly status: string }) => status === "passed"

/** The annotations in the table of policies, as code. */
const annotationsOf = (markdown: string) =>
  Array.from(
    markdown
      .replace(/^[^]*## Recipe: an endpoint and its policies/, "")
      .replace(/\n## [^]*$/, "")
      .matchAll(/`(\.annotate(?:Merge)?\(.*?\))`/g),
    ([, code = ""]) => code,
  )

const annotated = (annotations: ReadonlyArray<string>) => `
import { HttpApiEndpoint } from "effect/http-api"
import * as Policies from "./src/http/Policies.ts"
const { BodyPolicy, Deprecation, RateLimit, RequiredRole } = Policies
const { claimed, exemptFromQuota, idempotent, repeatable, unlimited } = Policies
const [since, sunset, successor] = [0, "", ""]
export const endpoints = [
  claimed,
  repeatable,
  ${annotations.map((code) => `HttpApiEndpoint.get("a", "/a")${code},`).join("\n  ")}
]
`

describe("A recipe", () => {
  const fence = "```"
  const bad = {
    "context that does not exist": [
      `${fence}diff\n@@ a.ts @@\n three\n+four\n${fence}\n`,
      "not found",
    ],
    "context that occurs twice": [
      `${fence}diff\n@@ a.ts @@\n two\n+four\n${fence}\n`,
      "more than once",
    ],
    "half a line as context": [`${fence}diff\n@@ a.ts @@\n ne\n+four\n${fence}\n`, "not found"],
    "a quote that does not match": [`${fence}ts\n// in a.ts\ntwo\nthree\n${fence}\n`, "not found"],
    "a new file that already exists": [
      `${fence}ts\n// a.ts\none\n${fence}\n`,
      "the file already exists",
    ],
    "an edit of a missing file": [
      `${fence}diff\n@@ b.ts @@\n one\n+two\n${fence}\n`,
      "the file does not exist",
    ],
    "an edit that changes nothing": [`${fence}diff\n@@ a.ts @@\n one\n${fence}\n`, "one"],
    "code without a path": [`${fence}ts\nconst a = 1\n${fence}\n`, "const a = 1"],
    "another language": [`${fence}js\n// a.js\nconst a = 1\n${fence}\n`, "const a = 1"],
  } as const

  it.each(Object.entries(bad))("a recipe with %s is refused by name", (_, [code, reason]) => {
    const root = mkdtempSync(join(tmpdir(), "plinth-recipe-"))
    writeFileSync(join(root, "a.ts"), "one\ntwo\ntwo\n")
    const follow = () => {
      for (const { steps, title } of recipesOf(`# A\n\n## Recipe: a task\n\n${code}`)) {
        for (const step of steps) if (step.kind !== "command") apply(root, title, step)
      }
    }
    assert.throws(follow, new RegExp(`Recipe: a task[^]*${reason}`))
    rmSync(root, { recursive: true })
  })
})
