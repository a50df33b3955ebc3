import { globSync, readFileSync } from "node:fs"

/** Two copies of effect have two of every tag, so that services are not found and errors not recognised. */
const copies = globSync("node_modules/**/effect/package.json").filter(
  (file) => (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "effect",
)

if (copies.length !== 1) {
  process.stderr.write(
    `expected one copy of effect, found ${copies.length}:\n${copies.join("\n")}\n`,
  )
  process.exitCode = 1
}
