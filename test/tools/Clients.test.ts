import { execFileSync } from "node:child_process"
import { symlinkSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { installedIn, npm, run } from "../fixtures/processes/Installed.ts"
import { pack } from "../fixtures/processes/Package.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { runSection } from "../fixtures/processes/Readme.ts"
import { baseUrl, newUser, TestServer, tokenFor } from "../TestApp.ts"

const directory = "test/clients"

layer(TestServer, { excludeTestServices: true })("The OpenAPI document", (it) => {
  it.effect(
    "can be written for third-party tools",
    () =>
      Effect.gen(function* () {
        yield* installedIn(directory)
        writeFileSync(`${directory}/openapi.json`, JSON.stringify(OpenApi.fromApi(Api)))
      }),
    300_000,
  )

  it.effect(
    "passes Spectral and Redocly without findings",
    () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* run(directory, process.execPath, ["lint.mjs"]), "")
      }),
    processTimeoutMs,
  )

  it.effect(
    "generates typed clients that compile under strict",
    () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* npm(directory, "run", "--silent", "types"), "")
      }),
    processTimeoutMs,
  )

  it.effect.each(["openapi-fetch", "hey-api"])(
    "generates a client that signs in, manages projects, and receives typed errors: %s",
    (client) =>
      Effect.gen(function* () {
        const [url, ada, bob] = [
          yield* baseUrl,
          yield* tokenFor(newUser(), { email: `${client}@Example.com` }),
          yield* tokenFor(newUser()),
        ]
        assert.strictEqual(
          yield* run(directory, process.execPath, ["journey.ts", client, url, ada, bob]),
          "",
        )
      }),
    processTimeoutMs,
  )

  it.effect(
    "generates the front ends of docs/clients.md",
    () =>
      Effect.gen(function* () {
        const [url, token, { consumer: cwd }] = [
          yield* baseUrl,
          yield* tokenFor(newUser()),
          yield* pack,
        ]
        for (const name of [".bin", "openapi-fetch", "openapi-typescript"]) {
          symlinkSync(resolve(directory, "node_modules", name), join(cwd, "node_modules", name))
        }
        const PATH = execFileSync("sh", ["-c", 'printf %s "$PATH"'], { encoding: "utf8" })
        const call = (file: string, credential: string) =>
          `import { createProject } from "./${file}"
           console.log(await createProject("${url}", ${credential}, "Engine"))`
        const programs = {
          "projects.ts": call("projects.ts", `"${token}"`),
          "projects-effect.ts": call("projects-effect.ts", `() => Promise.resolve("${token}")`),
        }
        const printed = yield* runSection("docs/clients.md", "Calling it from a front end", {
          cwd,
          env: { PATH, PLINTH_URL: url },
          programs,
        })
        const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}\n$/
        for (const [name, text] of printed) if (name !== "sh") assert.match(text, uuid)
      }),
    processTimeoutMs,
  )
})
