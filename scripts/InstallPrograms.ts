import { spawnSync } from "node:child_process"
import { find, install, type Program, programs } from "./Programs.ts"

// Installs the programs that tests run, unless they are installed, and prints the version of each. CI runs this; there,
// every program that is not optional is required. `npm test` installs them too, when it runs as root on Debian.

const all: ReadonlyArray<Program> = Object.values(programs)
const required = all.filter(({ optional }) => optional === undefined)
const isMissing = (program: Program) => find(program) === null

install(required.filter(isMissing))

for (const program of all) {
  const path = find(program)
  const { stderr, stdout } = spawnSync(path ?? "false", [program.versionArgument], {
    encoding: "utf8",
  })
  const [version] = `${stdout}${stderr}`.trim().split("\n")
  const missing = program.optional === undefined ? "missing" : `skipped: ${program.optional}`
  process.stdout.write(`${program.command}: ${path === null ? missing : version}\n`)
}

if (required.some(isMissing)) process.exitCode = 1
