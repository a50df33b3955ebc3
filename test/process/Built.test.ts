import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { outcomeOf, patience } from "../fixtures/Plinth.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { hasProgram } from "../Programs.ts"
import { RedisServer, sleep } from "../RedisServer.ts"

/** Where the traces go that it is sent. */
const collector = Effect.acquireRelease(
  Effect.promise(() => {
    const paths: Array<string> = []
    const server = createServer((request, response) => {
      paths.push(request.url ?? "")
      request.resume().on("end", () => response.end("{}"))
    }).listen(0, "127.0.0.1")
    return once(server, "listening").then(() => ({
      paths,
      server,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    }))
  }),
  ({ server }) => Effect.sync(() => server.close().closeAllConnections()),
)

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-built-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

/** What the process said, when it has said this. */
const said = (text: () => string, pattern: RegExp): Effect.Effect<RegExpExecArray> =>
  Effect.suspend(() => {
    const found = pattern.exec(text())
    return found === null
      ? Effect.andThen(
          sleep(20),
          Effect.suspend(() => said(text, pattern)),
        )
      : Effect.succeed(found)
  })

describe.skipIf(!hasProgram("redis"))("The built server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect(
      "has in itself all that is loaded on demand: Redis, OpenTelemetry, the documentation, the command line",
      () =>
        Effect.gen(function* () {
          execFileSync(process.execPath, ["scripts/Build.ts"])
          const [redis, traces, cwd] = [yield* RedisServer, yield* collector, yield* directory]
          // Nothing can be found beside it.
          const dist = join(cwd, "dist")
          execFileSync("cp", ["-r", resolve("dist"), dist])
          const child = spawn(process.execPath, [join(dist, "main.js")], {
            cwd,
            env: {
              HOST: "127.0.0.1",
              PORT: "0",
              DATABASE_URL: "sqlite::memory:",
              REDIS_URL: redis.url,
              OTEL_ENABLED: "true",
              OTEL_EXPORTER_OTLP_ENDPOINT: traces.url,
            },
          })
          let output = ""
          child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
          child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
          const ended = yield* Effect.forkScoped(outcomeOf(child), { startImmediately: true })
          const [, port] = yield* said(() => output, /listening url=http:\/\/localhost:(\d+)/)

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
      patience,
    )
  })
})
