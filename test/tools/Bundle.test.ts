import { spawn, spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { outcomeOf, patience } from "../fixtures/Plinth.ts"

/** What an image holds: the bundle and package.json, and nothing to fall back on. */
const shipped = Effect.acquireRelease(
  Effect.sync(() => {
    const built = spawnSync(process.execPath, ["scripts/Build.ts"], { encoding: "utf8" })
    assert.strictEqual(built.status, 0, built.stderr)
    const directory = mkdtempSync(join(tmpdir(), "plinth-bundle-"))
    cpSync("dist", join(directory, "dist"), { recursive: true })
    cpSync("package.json", join(directory, "package.json"))
    return directory
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
)

/** Takes traces, and tells of each batch. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly batches: ReadonlyArray<string>; close(): void }>(
    (resume) => {
      const batches: Array<string> = []
      const server = createServer((request, response) => {
        let body = ""
        request.on("data", (chunk: Buffer) => (body += chunk.toString()))
        request.on("end", () => {
          batches.push(`${request.method} ${request.url} ${body}`)
          response.end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        assert(typeof address === "object" && address !== null)
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${address.port}`,
            batches,
            close: () => server.close(),
          }),
        )
      })
    },
  ),
  (server) => Effect.sync(() => server.close()),
)

it.live(
  "The bundle serves its documentation and traces itself, alone in a directory",
  () =>
    Effect.scoped(
      Effect.gen(function* () {
        const [cwd, { batches, url: OTEL_EXPORTER_OTLP_ENDPOINT }] = [
          yield* shipped,
          yield* collector,
        ]
        const server = spawn(process.execPath, ["dist/main.js"], {
          cwd,
          env: { HOST: "127.0.0.1", PORT: "0", OTEL_ENABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT },
        })
        const url = yield* Effect.callback<string>((resume) => {
          let log = ""
          server.stdout.on("data", (chunk: Buffer) => {
            log += chunk.toString()
            const [, port] = /http:\/\/localhost:(\d+)/.exec(log) ?? []
            if (port !== undefined) resume(Effect.succeed(`http://127.0.0.1:${port}`))
          })
          server.stderr.on("data", (chunk: Buffer) => resume(Effect.die(chunk.toString())))
        })
        const cli = spawn(process.execPath, ["dist/cli.js", "smoke", url, "--json"], {
          cwd,
          env: {},
        })
        const smoke = yield* outcomeOf(cli)
        const client = yield* HttpClient.HttpClient
        const { status } = yield* client.get(`${url}/docs`)
        server.kill("SIGTERM")
        const { code, stderr } = yield* outcomeOf(server)

        assert.deepStrictEqual([smoke.code, smoke.stderr], [0, ""])
        assert.deepStrictEqual({ status, code, stderr }, { status: 200, code: 0, stderr: "" })
        assert.isAbove(batches.length, 0)
        for (const batch of batches) assert.match(batch, /^POST \/v1\/traces \{"resourceSpans":/)
        assert.include(batches.join(), "GET /api/v1/app/users/me")
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    ),
  patience,
)
