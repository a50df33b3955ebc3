import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Environment } from "../../src/core/settings/Settings.ts"
import { processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import { takenPort } from "../fixtures/servers/FreePort.ts"

const broken = "DATABASE_URL: the database cannot be opened"

/** Creates a file with this text, and returns its path. */
const file = (text: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-errors-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
    ),
    (directory) => {
      const path = join(directory, "plinth.db")
      writeFileSync(path, text)
      return path
    },
  )

const run = (environment: Environment, line: string) =>
  Effect.map(plinth(environment, ...line.split(" ")), ({ code, stderr, stdout }) => {
    assert.deepStrictEqual([code, stdout], [1, ""])
    return stderr
  })

describe("plinth", () => {
  it.live(
    "explains a database that cannot be opened",
    () =>
      Effect.gen(function* () {
        const text = `sqlite:${yield* file("no database, but a text of some length")}`
        const lines = yield* Effect.forEach(
          [
            [text, "users list"],
            ["sqlite:/dev/null/plinth.db", "migrate"],
            [`sqlite:${tmpdir()}`, "jobs stats"],
          ] as const,
          ([DATABASE_URL, line]) => run({ DATABASE_URL }, line),
          { concurrency: 2 },
        )
        assert.deepStrictEqual(lines, [
          `plinth: ${broken} (SQLITE_NOTADB): the file is not an SQLite database\n`,
          `plinth: ${broken} (EEXIST): the path of its directory is a file\n`,
          `plinth: ${broken} (SQLITE_CANTOPEN): the file cannot be opened for reading and writing\n`,
        ])
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )

  it.live(
    "reports all invalid settings together",
    () =>
      Effect.gen(function* () {
        const bad = { DATABASE_URL: "mysql://db", PORT: "http", RPC_TOKEN: "short" }
        for (const line of ["users list", "serve", "migrate status"]) {
          assert.deepStrictEqual((yield* run(bad, line)).match(/^plinth: \w+: must /gm), [
            "plinth: PORT: must ",
            "plinth: DATABASE_URL: must ",
            "plinth: RPC_TOKEN: must ",
          ])
        }
      }),
    processTimeoutMs,
  )

  it.live(
    "explains a port that is in use",
    () =>
      Effect.gen(function* () {
        const port = yield* takenPort
        const stderr = yield* run(
          { PORT: String(port), HOST: "127.0.0.1", LOG_LEVEL: "ERROR" },
          "serve",
        )
        assert.match(
          stderr,
          new RegExp(
            `^plinth: cannot listen on port ${port}: .+\\. Stop the process using it, or choose another port\n$`,
          ),
        )
      }).pipe(Effect.scoped),
    processTimeoutMs,
  )
})
