import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, beforeAll, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { eventually } from "../fixtures/data/Eventually.ts"
import { outcomeOf, processTimeoutMs, recording } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { startPostgres } from "../fixtures/servers/PostgresServer.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"
import { localServer, readBody } from "../fixtures/servers/LocalServer.ts"

/** A server that records the paths of the traces that it receives. */
const collector = Effect.suspend(() => {
  const paths: Array<string> = []
  return Effect.map(
    localServer((request, response) => {
      paths.push(request.url ?? "")
      readBody(request, () => response.end("{}"))
    }),
    ({ url }) => ({ paths, url }),
  )
})

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-built-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

/** Waits until the output matches the pattern, and returns the match. */
const untilMatch = (text: () => string, pattern: RegExp): Effect.Effect<RegExpExecArray> =>
  Effect.suspend(() => {
    const found = pattern.exec(text())
    return found === null
      ? Effect.andThen(
          sleep(20),
          Effect.suspend(() => untilMatch(text, pattern)),
        )
      : Effect.succeed(found)
  })

/** A copy of the build in a directory of its own, from which no other module can be resolved. */
const copyOfBuild = Effect.map(directory, (cwd) => {
  const dist = join(cwd, "dist")
  execFileSync("cp", ["-r", resolve("dist"), dist])
  return { cwd, dist }
})

/** Starts a built program, with its output so far and its outcome. */
const running = Effect.fnUntraced(function* (
  program: string,
  environment: Readonly<Record<string, string>>,
) {
  const { cwd, dist } = yield* copyOfBuild
  const child = spawn(process.execPath, [...recording, join(dist, program)], {
    cwd,
    env: { HOST: "127.0.0.1", ...environment },
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  const ended = yield* Effect.forkScoped(outcomeOf(child), { startImmediately: true })
  return { child, cwd, dist, ended, output: () => output }
})

beforeAll(() => void execFileSync(process.execPath, ["scripts/Build.ts"]))

/** A module that writes to stderr how many bytes of code the process loaded. */
const countLoadedBytes = `import { registerHooks } from "node:module"
  let bytes = 0
  registerHooks({ load: (url, context, next) => {
    const loaded = next(url, context)
    bytes += loaded.source?.length ?? 0
    return loaded
  } })
  process.on("exit", () => process.stderr.write(\`\n\${bytes}\`))`

describe("The built command line", () => {
  // Loading takes 100 ms per MB, of the 400 ms that a command may take.
  it.live.each(["--help", "users --help", "users lst", "--completions bash"])(
    "loads less than 1 MB for a command that needs no service: %s",
    (words) =>
      Effect.gen(function* () {
        const preload = `data:text/javascript,${encodeURIComponent(countLoadedBytes)}`
        const { stderr } = yield* outcomeOf(
          spawn(process.execPath, ["--import", preload, "dist/cli.js", ...words.split(" ")]),
        )
        const bytes = Number(stderr.split("\n").at(-1))
        assert.isAbove(bytes, 100_000)
        assert.isBelow(bytes, 1_000_000)
      }),
    processTimeoutMs,
  )
})

const postgres = Effect.acquireRelease(startPostgres, ({ remove }) => remove)

describe.skipIf(!hasProgram("embeddedPostgres"))("The built worker", () => {
  it.live(
    "contains all modules that it needs on PostgreSQL",
    () =>
      Effect.gen(function* () {
        const { url } = yield* postgres
        const { child, ended, output } = yield* running("worker.js", {
          WORKER_PORT: "0",
          DATABASE_URL: url("postgres"),
        })
        const [, port] = yield* untilMatch(output, /working health=http:\/\/localhost:(\d+)/)
        const ready = (part: string) =>
          Effect.map(sendTo(Number(port), { path: "/health/ready" }), ({ text }) =>
            text.includes(part),
          )
        yield* eventually(ready('"jobs":{"status":"healthy"'))
        child.kill("SIGTERM")
        assert.strictEqual((yield* Fiber.join(ended)).code, 0)
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )
})

describe.skipIf(!hasProgram("redis"))("The built server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect(
      "contains all modules that load on demand: Redis, OpenTelemetry, documentation, command line",
      () =>
        Effect.gen(function* () {
          const [redis, traces] = [yield* RedisServer, yield* collector]
          const { child, cwd, dist, ended, output } = yield* running("main.js", {
            PORT: "0",
            DATABASE_URL: "sqlite::memory:",
            REDIS_URL: redis.url,
            OTEL_ENABLED: "true",
            OTEL_EXPORTER_OTLP_ENDPOINT: traces.url,
          })
          const [, port] = yield* untilMatch(output, /listening url=http:\/\/localhost:(\d+)/)

          const smoke = spawn(
            process.execPath,
            [join(dist, "cli.js"), "smoke", `http://127.0.0.1:${port}`, "--json"],
            { cwd, env: {} },
          )
          const { code, stderr } = yield* outcomeOf(smoke)
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })

          const get = (path: string) => sendTo(Number(port), { path })
          const ready = yield* get("/api/v1/public/health/ready")
          assert.include(ready.text, '"cache":{"status":"healthy"')
          assert.strictEqual((yield* get("/docs")).status, 200)
          assert.strictEqual((yield* get("/api/v1/app/users/me")).status, 401)
          child.kill("SIGTERM")
          assert.strictEqual((yield* Fiber.join(ended)).code, 0)
          assert.include(traces.paths, "/v1/traces")
        }),
      processTimeoutMs,
    )
  })
})
