import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const directory = mkdtempSync(join(tmpdir(), "plinth-one-effect-"))
afterAll(() => rmSync(directory, { recursive: true }))

const install = (...path: ReadonlyArray<string>) => {
  const folder = join(directory, ...path)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: path.at(-1) }))
}

const check = () =>
  spawnSync(process.execPath, [resolve("scripts/OneEffect.ts")], {
    cwd: directory,
    encoding: "utf8",
  })

describe("The check for a single copy of effect", () => {
  it("passes one copy, and ignores other folders of that name", () => {
    install("node_modules", "effect")
    install("node_modules", "ajv")
    mkdirSync(join(directory, "node_modules", "effect", "src", "effect"), { recursive: true })
    assert.strictEqual(check().status, 0)
  })

  it("fails on a second copy inside a dependency, and prints both paths", () => {
    install("node_modules", "@effect", "sql-pg", "node_modules", "effect")
    const { status, stderr } = check()
    assert.strictEqual(status, 1)
    assert.include(stderr, join("node_modules", "effect", "package.json"))
    assert.include(stderr, join("sql-pg", "node_modules", "effect", "package.json"))
  })
})
