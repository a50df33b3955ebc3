import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join, resolve } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Tokens } from "../../src/core/Tokens.ts"
import { UserId } from "../../src/domain/User.ts"
import { pack } from "../fixtures/Package.ts"
import { canary } from "../fixtures/Plinth.ts"
import { runSection } from "../fixtures/Readme.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { serving, tokens } from "../fixtures/Serving.ts"
import { hasProgram } from "../Programs.ts"

const RPC_TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"

/** A directory with a command `plinth`, a database, a server on it, and Ada, who has been there. */
class Desk extends Context.Service<
  Desk,
  {
    readonly cwd: string
    readonly env: Readonly<Record<string, string>>
    /** Of the server. */
    readonly url: string
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
      return { cwd, env, url: `http://127.0.0.1:${port}` }
    }),
  ).pipe(Layer.provide(tokens))
}

describe.skipIf(!hasProgram("curl"))("README", () => {
  layer(Desk.layer, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect(
      "calls it from another service",
      () =>
        Effect.gen(function* () {
          const { env: more, url } = yield* Desk
          const { consumer: cwd } = yield* pack
          const env = { ...more, PLINTH_URL: url, RPC_TOKEN }
          const programs = { "plan.ts": 'import "./plan.ts"' }
          const [[, plan] = [], [, users = ""] = []] = yield* runSection(
            "Calling it from another service",
            { cwd, env, programs },
          )
          assert.strictEqual(plan, "ada has the plan free\nno User nobody\n")
          assert.match(users, /^\{"_tag":"Exit".*"email":"ada@example\.com".*\}\n$/)
        }),
      120_000,
    )

    it.effect(
      "calls it from a terminal",
      () =>
        Effect.gen(function* () {
          const { cwd, env: more } = yield* Desk
          const env = { ...more, RPC_TOKEN }
          const section = "Calling it from a terminal"
          const [[, told = ""] = [], [, there = ""] = []] = yield* runSection(section, {
            cwd,
            env,
            programs: {},
          })
          assert.match(told, /^waiting/m)
          assert.match(told, /"id":"ada".*"role":"admin"/)
          assert.match(there, /^id +ada$/m)
          assert.match(there, /"items": \[\]/)
        }),
      60_000,
    )
  })
})
