import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Tokens } from "../../src/core/identity/Tokens.ts"
import { UserId } from "../../src/domain/users/User.ts"
import { pack } from "../fixtures/processes/Package.ts"
import { canary } from "../fixtures/processes/Plinth.ts"
import { examples, pages, runSection, snippetsOf } from "../fixtures/processes/Readme.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"

const RPC_TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"

/**
 * A directory with a command `plinth`, a database, a server that uses it, and a user `ada` with a
 * token.
 */
class Desk extends Context.Service<
  Desk,
  {
    readonly cwd: string
    readonly env: Readonly<Record<string, string>>
    /** The server's address. */
    readonly url: string
    /** A token of `ada`. */
    readonly token: Redacted.Redacted
  }
>()("plinth/test/tools/Readme.test/Desk") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const cwd = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-readme-"))),
        (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
      )
      const DATABASE_URL = `sqlite:${join(cwd, "plinth.db")}`
      const { port } = yield* serving({ DATABASE_URL, RPC_TOKEN })
      const { sign } = yield* Tokens
      const token = yield* sign({
        sub: UserId.make("ada"),
        email: "ada@example.com",
        expires_in: 3600,
        purpose: "access",
      })
      yield* sendTo(port, { path: "/api/v1/app/users/me", token: Redacted.value(token) })

      const program = `#!/bin/sh\nexec "${process.execPath}" "${resolve("src/cli.ts")}" "$@"\n`
      writeFileSync(join(cwd, "plinth"), program, { mode: 0o755 })
      const env = {
        PATH: [cwd, resolve(process.execPath, ".."), "/usr/bin", "/bin"].join(delimiter),
        DATABASE_URL,
        SECRET_KEY: canary,
        API: `http://127.0.0.1:${port}/api/v1`,
      }
      return { cwd, env, token, url: `http://127.0.0.1:${port}` }
    }),
  ).pipe(Layer.provide(tokens))
}

describe("README and docs", () => {
  const examplesOf: Readonly<Record<string, ReadonlyArray<string>>> = examples

  it.each(pages)("%s has only examples that are tested", (page) => {
    for (const { language, section, text } of snippetsOf(page)) {
      assert.include(["sh", "ts", "console", "text", "ini"], language, `${page}: ${text}`)
      if (language !== "sh" && language !== "ts") continue
      assert.include(examplesOf[page] ?? [], section, `${page}: nothing runs ${text}`)
    }
  })

  it.each(pages)("%s links to existing pages and sections", (page) => {
    for (const [, target = ""] of readFileSync(page, "utf8").matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = "", section] = target.split("#")
      const file = path === "" ? page : join(dirname(page), path)
      assert.isTrue(existsSync(file), `${page}: ${target}`)
      if (section === undefined) continue
      const titles = readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)
      assert.include(
        Array.from(titles, ([, title = ""]) => anchorOf(title)),
        section,
        target,
      )
    }
  })
})

/** Returns the anchor that GitHub generates from a title. */
const anchorOf = (title: string) =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, "")
    .replaceAll(" ", "-")

describe.skipIf(!hasProgram("curl"))("The examples of README and docs", () => {
  layer(Desk.layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect(
      "call it from another service",
      () =>
        Effect.gen(function* () {
          const { env: more, url } = yield* Desk
          const { consumer: cwd } = yield* pack
          const env = { ...more, PLINTH_URL: url, RPC_TOKEN }
          const [[, plan] = [], [, users = ""] = []] = yield* runSection(
            "docs/clients.md",
            "Calling it from another service",
            { cwd, env, programs: { "plan.ts": 'import "./plan.ts"' } },
          )
          assert.strictEqual(plan, "ada has the plan free\nno User nobody\n")
          assert.match(users, /^\{"_tag":"Exit".*"email":"ada@example\.com".*\}\n$/)
        }),
      120_000,
    )

    it.effect(
      "call it from a terminal",
      () =>
        Effect.gen(function* () {
          const { cwd, env } = yield* Desk
          const [[, printed = ""] = []] = yield* runSection(
            "docs/cli.md",
            "Calling it from a terminal",
            { cwd, env: { ...env, RPC_TOKEN } },
          )
          assert.match(printed, /^waiting/m)
          assert.match(printed, /"id":"ada".*"role":"admin"/)
          assert.match(printed, /^id +ada$/m)
          assert.match(printed, /"items": \[\]/)
        }),
      60_000,
    )

    it.effect(
      "take five minutes",
      () =>
        Effect.gen(function* () {
          const { cwd, env, url } = yield* Desk
          const replace = { "http://localhost:8000": url, "npm run -s cli --": "plinth" }
          const [[, printed = ""] = []] = yield* runSection("README.md", "Five minutes", {
            cwd,
            env,
            replace,
          })
          assert.match(printed, /"id":"ada".*"email":"ada@example\.com"/)
          assert.match(printed, /"items":\[\{.*"name":"Analytical engine".*"total":1/)
          assert.match(printed, /HTTP\/1\.1 404[^]*"code":"NOT_FOUND"/m)
          assert.match(printed, /"code":"VALIDATION_ERROR"/)
          assert.match(printed, /"items":\[\{"id":"ada".*"role":"admin"/)
          assert.match(printed, /"status":"healthy"/)
          assert.match(printed, /http_requests_total\{/)
        }),
      60_000,
    )

    it.effect(
      "repeat a request, call a model, and migrate",
      () =>
        Effect.gen(function* () {
          const { cwd, env: more, token } = yield* Desk
          const env = { ...more, TOKEN: Redacted.value(token) }
          const [[, created = ""] = []] = yield* runSection("docs/limits.md", "Safe retries", {
            cwd,
            env,
          })
          const [[, streamed = ""] = []] = yield* runSection("docs/ai.md", "Calling a model", {
            cwd,
            env,
          })
          const [[, migrated = ""] = []] = yield* runSection("docs/operating.md", "Migrations", {
            cwd,
            env,
          })
          assert.match(created, /"name":"Once"/)
          assert.match(streamed, /^data: \S[^]*^event: usage$[^]*^data: \[DONE\]$/m)
          assert.match(migrated, /^Nothing to migrate[^]*0001_users/m)
        }),
      60_000,
    )
  })
})
