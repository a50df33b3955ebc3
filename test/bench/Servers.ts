import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { start } from "./Processes.ts"
import { secret } from "./Tokens.ts"

/** Contains the SQLite databases and the data of the servers. */
export const directory = mkdtempSync(join(tmpdir(), "plinth-bench-"))
process.once("exit", () => rmSync(directory, { recursive: true, force: true }))

type Environment = Readonly<Record<string, string>>

const environment = {
  HOST: "127.0.0.1",
  ENVIRONMENT: "staging",
  LOG_LEVEL: "INFO",
  SECRET_KEY: secret,
  DATA_DIR: directory,
  SHUTDOWN_GRACE_SECONDS: "1",
  FASTIFY_USER_CACHE_MS: "2000",
  RATE_LIMIT_DEFAULT: "1000000/second",
  PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null}}',
}

export const startPlinth = (env: Environment) =>
  start({ name: "plinth", entry: "dist/main.js", env: { ...environment, ...env } })

export const startFastify = (env: Environment) =>
  start({ name: "fastify", entry: "test/bench/Fastify.ts", env: { ...environment, ...env } })

/** Makes Fastify remember as many verified tokens as Plinth does. */
export const tokenMemory = { FASTIFY_TOKEN_MEMORY: "10000" }
