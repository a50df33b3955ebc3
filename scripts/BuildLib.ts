import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"

/** `dist/lib/`: the contracts for those who import them, with their types. Follows `Build.ts`, which empties `dist/`. */

const { status } = spawnSync(
  process.execPath,
  ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--checkers", "1"],
  { stdio: "inherit" },
)
if (status !== 0) process.exit(1)

// The compiler copies package.json because the contracts import their version from it. Bundlers would copy all that is
// in it into a front end.
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string }
const manifest = { version, type: "module", sideEffects: false }
writeFileSync("dist/lib/package.json", `${JSON.stringify(manifest)}\n`)
