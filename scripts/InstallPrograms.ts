import { spawnSync } from "node:child_process"
import { find, install, type Program, programs } from "./Programs.ts"

// Installs the programs that tests run, where they are missing, and prints the version of each: for CI, where all that
// are not optional are required. `npm test` does the same for root on Debian.

const all: ReadonlyArray<Program> = Object.values(programs)
const required = all.filter(({ optional }) => optional === undefined)
const isMissing = (program: Program) => find(program) === null

install(required.filter(isMissing))

for (const program of all) {
  const place = find(program)
  const { stderr, stdout } = spawnSync(place ?? "false", [program.version], { encoding: "utf8" })
  const [version] = `${stdout}${stderr}`.trim().split("\n")
  const missing = program.optional === undefined ? "missing" : `skipped: ${program.optional}`
  process.stdout.write(`${program.command}: ${place === null ? missing : version}\n`)
}

if (required.some(isMissing)) process.exitCode = 1
