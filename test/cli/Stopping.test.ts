import { spawn } from "node:child_process"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { Users } from "../../src/business/users/Users.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { cli, outcomeOf, processTimeoutMs, plinth, start } from "../fixtures/processes/Plinth.ts"
import { newUser, TestApp } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { localServer } from "../fixtures/servers/LocalServer.ts"

/** Runs a line of bash in which `plinth` is the command line under test. */
const bash = (line: string, DATABASE_URL = "") => {
  const command = `plinth() { "${process.execPath}" "${cli}" "$@"; }`
  const environment = {
    PATH: "/usr/bin:/bin",
    NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
    SECRET_KEY: "k".repeat(40),
    DATABASE_URL,
  }
  return Effect.suspend(() =>
    outcomeOf(
      spawn("bash", ["-c", `${command}\n${line}`], {
        env: environment,
        stdio: ["ignore", "pipe", "pipe"],
      }),
    ),
  )
}

layer(TestApp, { excludeTestServices: true })("plinth", (it) => {
  it.effect(
    "exits with success and without a message when its reader stops",
    () =>
      Effect.gen(function* () {
        const url = yield* TestDatabase
        const outcomes = yield* Effect.forEach(
          ["jobs stats --watch --interval 1", "users list", "openapi"],
          (words) => bash(`plinth ${words} | head -1; echo "\${PIPESTATUS[0]}"`, url),
          { concurrency: 2 },
        )
        for (const { stderr, stdout } of outcomes) {
          assert.match(stdout, /^.+\n0\n$/)
          assert.strictEqual(stderr, "")
        }
      }),
    processTimeoutMs,
  )

  it.effect(
    "reports a defect in one line, and shows its stack with DEBUG",
    () =>
      Effect.gen(function* () {
        const [users, sql] = [yield* Users, yield* SqlClient.SqlClient]
        const DATABASE_URL = yield* TestDatabase
        yield* users.create({ id: newUser(), email: null, full_name: null, role: "user" })
        yield* sql`UPDATE users SET role = 'king'`
        const [brief, detailed] = yield* Effect.all(
          [
            plinth({ DATABASE_URL }, "users", "list"),
            plinth({ DATABASE_URL, DEBUG: "true" }, "users", "list"),
          ],
          { concurrency: 2 },
        )
        assert.strictEqual(brief.code, 1)
        assert.match(
          brief.stderr,
          /^plinth: this is a bug: .+\nplinth: Set DEBUG=true to print the stack trace\n$/,
        )
        assert.match(detailed.stderr, /^plinth: +at /m)
      }),
    processTimeoutMs,
  )
})

describe("plinth", () => {
  it.live(
    "writes its whole output to a slow reader",
    () =>
      Effect.gen(function* () {
        const { stdout } = yield* bash("plinth openapi | (sleep 1; wc -c); wc -c < openapi.json")
        const [slow, all] = stdout.trim().split("\n")
        assert.strictEqual(slow, all)
        assert.isAbove(Number(all), 2 ** 16)
      }),
    processTimeoutMs,
  )

  it.live(
    "fails when its output cannot be written",
    () =>
      Effect.gen(function* () {
        const { stderr, stdout } = yield* bash('plinth openapi > /dev/full; echo "$?"')
        assert.strictEqual(stdout, "1\n")
        assert.match(stderr, /^plinth: stdout: ENOSPC/)
      }),
    processTimeoutMs,
  )

  it.live.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "reports that it was interrupted when stopped by %s",
    ([signal, code]) =>
      Effect.gen(function* () {
        const service = yield* unresponsive
        const child = yield* start({}, "smoke", service.url, "--wait", "60")
        const ended = yield* Effect.forkChild(outcomeOf(child), { startImmediately: true })
        yield* eventually(Effect.sync(() => service.asked()))
        child.kill(signal)
        assert.deepStrictEqual(yield* Fiber.join(ended), { code, stdout: "", stderr: "" })
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )
})

/** A service that receives requests and never answers. */
const unresponsive = Effect.suspend(() => {
  let asked = false
  return Effect.map(
    localServer(() => (asked = true)),
    ({ url }) => ({ url, asked: () => asked }),
  )
})
