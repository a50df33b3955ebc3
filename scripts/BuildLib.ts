import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"

/** Builds `dist/lib/`: the contracts and their types, for clients. Run it after `Build.ts`, which empties `dist/`. */

const { status } = spawnSync(
  process.execPath,
  ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--checkers", "1"],
  { stdio: "inherit" },
)
if (status !== 0) process.exit(1)

// The compiler copies package.json, because the contracts import their version from it. Reduces it, because bundlers
// would include all of it in a front end.
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string }
const manifest = { version, type: "module", sideEffects: false }
writeFileSync("dist/lib/package.json", `${JSON.stringify(manifest)}\n`)
