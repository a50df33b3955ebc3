import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Command } from "effect/cli"
import { plinthOf } from "../../src/cli/Plinth.ts"
import { server } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { newOwner, tokenOf } from "../fixtures/http/Owners.ts"
import {
  type Outcome,
  outcomeOf,
  processTimeoutMs,
  plinth,
  start,
} from "../fixtures/processes/Plinth.ts"
import { schemaProblems, printsJson } from "../fixtures/processes/Printed.ts"
import { rpcToken } from "../fixtures/http/Rpc.ts"
import { baseUrl } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { commands } from "../Verdicts.ts"

const tree = plinthOf({ serve: Effect.never, work: Effect.never, operator: Effect.never })

const below = ({ subcommands }: Command.Command.Any) =>
  subcommands.flatMap(({ commands }) => commands)

/** Returns the full name of each command below this one. */
const namesIn = (command: Command.Command.Any, path = ""): ReadonlyArray<string> =>
  below(command).flatMap((one) => {
    const name = `${path}${one.name}`
    return below(one).length === 0 ? [name] : namesIn(one, `${name} `)
  })

/** Groups that are commands themselves. */
const groups = ["migrate"]

describe("test/Verdicts.ts", () => {
  it("has exactly one row per command", () => {
    assert.deepStrictEqual(
      Object.keys(commands).toSorted(),
      [...namesIn(tree), ...groups].toSorted(),
    )
  })
})

const untilStopped = ["serve", "worker"]
const rows = Object.entries(commands).filter(([name]) => !untilStopped.includes(name))

const firstOfFamily = new Set(["users list", "jobs list", "usage show"])

const lineOf = (name: string, words: string) =>
  `${name} ${words} ${printsJson(name) ? "--json" : ""}`.trim().split(/ +/)

/** Returns the violations of the output schema. A failed command may have printed nothing. */
const misprintsOf = (name: string, { code, stdout }: Outcome) =>
  printsJson(name) && (code === 0 || stdout !== "") ? schemaProblems(name, stdout) : ""

/** Settings of an unreachable service: every call to PLINTH_URL fails. */
const unreachable = { PLINTH_URL: "http://127.0.0.1:9", PLINTH_TOKEN: rpcToken }

layer(server({ RPC_TOKEN: rpcToken }), { excludeTestServices: true })(
  "The permissions of the CLI",
  (it) => {
    for (const [name, { code, words }] of rows.filter(([, row]) => row.remote)) {
      it.effect(
        `are those of test/Verdicts.ts for plinth ${name}`,
        () =>
          Effect.gen(function* () {
            const [DATABASE_URL, PLINTH_URL] = [yield* TestDatabase, yield* baseUrl]
            const as = Effect.fnUntraced(function* (caller: "operator" | "service" | "superadmin") {
              const { ids, owner } = yield* newOwner
              const PLINTH_TOKEN =
                caller === "operator" ? "" : ((yield* tokenOf(caller, owner)) ?? "")
              return yield* plinth(
                caller === "operator" ? { DATABASE_URL } : { PLINTH_URL, PLINTH_TOKEN },
                ...lineOf(name, words(ids)),
              )
            })
            for (const caller of ["operator", "service"] as const) {
              const outcome = yield* as(caller)
              assert.strictEqual(outcome.code, code, `${caller}: ${outcome.stderr}`)
              assert.strictEqual(misprintsOf(name, outcome), "", caller)
            }
            // All commands pass the same gate: one of each family is enough.
            if (!firstOfFamily.has(name)) return
            const { code: refused, stderr } = yield* as("superadmin")
            assert.strictEqual(refused, 1)
            assert.match(stderr, /^plinth: PLINTH_TOKEN is refused/)
          }),
        processTimeoutMs,
      )
    }
  },
)

describe("The operator at the machine", () => {
  for (const [name, { code, words }] of rows.filter(([, row]) => !row.remote)) {
    it.effect(
      `gets the exit code of test/Verdicts.ts from plinth ${name}, whatever PLINTH_URL is`,
      () =>
        Effect.gen(function* () {
          const outcome = yield* plinth(unreachable, ...lineOf(name, words({})))
          assert.strictEqual(outcome.code, code, outcome.stderr)
          assert.strictEqual(misprintsOf(name, outcome), "")
        }),
      processTimeoutMs,
    )
  }

  it.effect.each(untilStopped)(
    "runs plinth %s until it is stopped",
    (name) =>
      Effect.gen(function* () {
        const child = yield* start({ ...unreachable, PORT: "0", WORKER_PORT: "0" }, name)
        let output = ""
        child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
        yield* eventually(Effect.sync(() => /listening|working/.test(output)))
        child.kill("SIGTERM")
        assert.strictEqual((yield* outcomeOf(child)).code, commands[name]?.code)
      }),
    processTimeoutMs,
  )
})
