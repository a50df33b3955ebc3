import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync } from "node:fs"
import { delimiter, join } from "node:path"

export interface Program {
  readonly command: string
  /** The argument that makes the program print its version. */
  readonly versionArgument: string
  /** The package of Debian and Ubuntu that contains it. */
  readonly debianPackage: string
  /** The reason why CI does not install the program and may skip its tests. */
  readonly optional?: string
}

/**
 * The programs that tests run, besides Node and npm. `vitest.config.ts` looks for these, `.ci/run` and `ci.yml` install
 * them with `scripts/InstallPrograms.ts`, and tests ask for one by its name here: `program("redis")`.
 */
export const programs = {
  redis: { command: "redis-server", versionArgument: "--version", debianPackage: "redis-server" },
  haproxy: { command: "haproxy", versionArgument: "-v", debianPackage: "haproxy" },
  promtool: { command: "promtool", versionArgument: "--version", debianPackage: "prometheus" },
  /** For the scripts of a deployment. */
  jq: { command: "jq", versionArgument: "--version", debianPackage: "jq" },
  /** For the examples of README and docs. */
  curl: { command: "curl", versionArgument: "--version", debianPackage: "curl" },
  /** Runs a command in a terminal. */
  script: { command: "script", versionArgument: "--version", debianPackage: "bsdutils" },
  /** For Specmatic. */
  java: {
    command: "java",
    versionArgument: "-version",
    debianPackage: "openjdk-17-jre-headless",
    optional: "200 MB for one test",
  },
} as const satisfies Readonly<Record<string, Program>>

const isExecutable = (file: string) => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Returns the path of the program, or null. Servers are not on every PATH. */
export const find = ({ command }: Program) =>
  // @effect-diagnostics-next-line processEnv:off -- there are no Settings here
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
    .map((directory) => join(directory, command))
    .find(isExecutable) ?? null

/** Returns the command that installs the programs. */
export const installCommand = (missing: ReadonlyArray<Program>) => [
  "apt-get",
  "install",
  "-y",
  "--no-install-recommends",
  ...missing.map(({ debianPackage }) => debianPackage),
]

const run = (words: ReadonlyArray<string>) => {
  // Without RUNLEVEL the packages would start their servers.
  const settings = ["RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive"]
  const [command = "", ...rest] = [...(isRoot() ? [] : ["sudo"]), "env", ...settings, ...words]
  return spawnSync(command, rest, { stdio: ["ignore", "ignore", "inherit"] }).status === 0
}

const isRoot = () => process.getuid?.() === 0

/** Tests whether programs can be installed without asking: as root on Debian. */
export const canInstall = () => isRoot() && existsSync("/etc/debian_version")

/** Installs the missing programs, as root or with sudo. */
export const install = (missing: ReadonlyArray<Program>) => {
  if (missing.length === 0) return
  const command = installCommand(missing)
  if (!run(command) && run(["apt-get", "update"])) run(command)
}
