import { globSync, readFileSync } from "node:fs"

/** Checks that there is one copy of effect. Two copies have separate tags, so services and errors do not match. */
const copies = globSync("node_modules/**/effect/package.json").filter(
  (file) => (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "effect",
)

if (copies.length !== 1) {
  process.stderr.write(
    `expected one copy of effect, found ${copies.length}:\n${copies.join("\n")}\n`,
  )
  process.exitCode = 1
}
