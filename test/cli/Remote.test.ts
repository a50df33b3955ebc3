import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { Jobs } from "../../src/business/operations/Jobs.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { jsonOf, outcomeOf, processTimeoutMs, plinth, start } from "../fixtures/processes/Plinth.ts"
import { rpcToken } from "../fixtures/http/Rpc.ts"
import { baseUrl, testServerWith } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** The settings for a remote service: only its URL and its token. */
const remote = (more: Readonly<Record<string, string>> = {}) =>
  Effect.map(baseUrl, (PLINTH_URL) => ({
    SECRET_KEY: "",
    DATABASE_URL: "sqlite:/nowhere/at/all.db",
    PLINTH_URL,
    PLINTH_TOKEN: rpcToken,
    ...more,
  }))

const run = (line: string, more: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(remote(more), (environment) => plinth(environment, ...line.split(" ")))

const json = (line: string) => Effect.map(run(`${line} --json`), jsonOf)

const failed = (message: string) => ({ code: 1, stderr: `plinth: ${message}\n`, stdout: "" })

layer(testServerWith({ RPC_TOKEN: rpcToken }), { excludeTestServices: true })(
  "plinth at PLINTH_URL",
  (it) => {
    it.effect(
      "works as on a database, with its caller in the audit log",
      () =>
        Effect.gen(function* () {
          const created = yield* json("users create ada --email ada@example.com")
          assert.include(created, { id: "ada", role: "user" })
          const deactivated = yield* json("users deactivate ada@example.com --yes")
          assert.include(deactivated, { id: "ada", is_active: false })
          const DATABASE_URL = yield* TestDatabase
          for (const line of ["users show ada", "users list", "usage show ada", "jobs stats"]) {
            const [here, there] = yield* Effect.all(
              [plinth({ DATABASE_URL }, ...line.split(" ")), run(line)],
              { concurrency: 2 },
            )
            assert.strictEqual(there.code, 0)
            assert.deepStrictEqual(there, here)
          }
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ readonly action: string; readonly details: string | object }>`
            SELECT action, details FROM audit_logs WHERE resource_id = 'ada' ORDER BY id`
          assert.deepStrictEqual(
            rows.map(({ action, details }) => [
              action,
              (typeof details === "string" ? JSON.parse(details) : details).caller,
            ]),
            [
              ["user.created", "cli"],
              ["user.deactivated", "cli"],
            ],
          )
        }),
      processTimeoutMs,
    )

    it.effect(
      "manages jobs, and explains why it refuses a command",
      () =>
        Effect.gen(function* () {
          const job = yield* json("jobs enqueue cleanup_old_data --delay 3600")
          const { id } = job as { readonly id: string }
          assert.include(yield* json(`jobs cancel ${id} --yes`), { id, state: "cancelled" })
          const jobs = yield* Jobs
          assert.strictEqual((yield* jobs.get(id)).state, "cancelled")
          assert.deepStrictEqual(yield* run("jobs show nope"), failed("no job has the id nope"))
          assert.match((yield* run("jobs enqueue nope")).stderr, /^plinth: name: must be one of /)
          assert.deepStrictEqual(
            yield* run("users show nobody"),
            failed("no user has the id or e-mail nobody"),
          )
        }),
      processTimeoutMs,
    )

    it.effect(
      "explains a wrong URL or token",
      () =>
        Effect.gen(function* () {
          const outcomes = yield* Effect.all(
            [
              run("users list", { PLINTH_TOKEN: "wrong" }),
              run("users list", { PLINTH_TOKEN: "" }),
              run("users list", { PLINTH_URL: "http://127.0.0.1:9" }),
              run("users list", { PLINTH_URL: "api.example.com" }),
            ],
            { concurrency: 2 },
          )
          assert.deepStrictEqual(outcomes, [
            failed(
              "PLINTH_TOKEN is refused: use one of the RPC_TOKEN values of the service at PLINTH_URL",
            ),
            failed(
              "PLINTH_TOKEN is not set: use one of the RPC_TOKEN values of the service at PLINTH_URL",
            ),
            failed("PLINTH_URL is unreachable: run plinth smoke <url> to find out why"),
            failed("PLINTH_URL must be a URL such as https://api.example.com"),
          ])
        }),
      processTimeoutMs,
    )

    it.effect(
      "counts jobs until Ctrl-C",
      () =>
        Effect.gen(function* () {
          const child = yield* start(
            yield* remote(),
            ..."jobs stats --watch --interval 1 --json".split(" "),
          )
          let lines = 0
          child.stdout.on("data", () => (lines += 1))
          const outcome = yield* Effect.forkChild(outcomeOf(child))
          yield* eventually(Effect.sync(() => lines >= 2))
          child.kill("SIGINT")
          const { code, stderr, stdout } = yield* Fiber.join(outcome)
          assert.deepStrictEqual([code, stderr], [0, ""])
          for (const line of stdout.trim().split("\n")) {
            assert.containsAllKeys(JSON.parse(line), ["waiting", "failed"])
          }
        }),
      processTimeoutMs,
    )
  },
)

layer(testServerWith({}), { excludeTestServices: true })(
  "plinth at a service without RPC_TOKEN",
  (it) => {
    it.effect(
      "reports the missing setting",
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(
            yield* run("jobs stats"),
            failed("PLINTH_URL has no /rpc: is RPC_TOKEN set there?"),
          )
        }),
      processTimeoutMs,
    )
  },
)
