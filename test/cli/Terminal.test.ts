import { stripVTControlCharacters } from "node:util"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import stringWidth from "string-width"
import { Users } from "../../src/business/users/Users.ts"
import { processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import { atTerminal, ctrl } from "../fixtures/processes/Terminal.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { newUser, TestApp } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"

const environment = Effect.map(TestDatabase, (DATABASE_URL) => ({ DATABASE_URL }))

const escape = "\u001B"

/** True for text without bold and colour. A progress line, and clearing it, is allowed. */
const hasNoColor = (text: string) => {
  for (const code of ["[1m", "[3"]) assert.notInclude(text, escape + code)
}

/** Names with wide characters, a character of several code points, and combining characters. */
const names = [
  "計算機計算機計算機計算機",
  "👩🏽 Ada 🚀🚀🚀 Lovelace",
  "Lovelace e\u0301e\u0301e\u0301",
]

const newUsers = Effect.gen(function* () {
  const users = yield* Users
  for (const full_name of names) {
    const id = newUser()
    yield* users.create({ id, email: `${id}@a-long-name.example.com`, full_name, role: "user" })
  }
  return yield* users.create({ id: newUser(), email: null, full_name: "Ada", role: "user" })
})

describe.skipIf(!hasProgram("script"))("plinth in a terminal", () => {
  layer(TestApp, { excludeTestServices: true })((it) => {
    it.effect(
      "shows tables in colour and within the width; writes to a pipe in full, without colour",
      () =>
        Effect.gen(function* () {
          yield* newUsers
          const at = yield* environment
          const [shown, piped] = [
            yield* atTerminal({ environment: at, columns: 90 }, "users", "list"),
            yield* plinth(at, "users", "list"),
          ]
          assert.include(shown.shown, `${escape}[1mid`)
          assert.include(shown.shown, "…")
          for (const line of stripVTControlCharacters(shown.shown).split("\n"))
            assert.isAtMost(stringWidth(line), 90)
          assert.notInclude(piped.stdout, escape)
          for (const name of names) assert.include(piped.stdout, name)
          assert.notInclude(piped.stdout, "…")
        }),
      processTimeoutMs,
    )

    it.effect(
      "shows one block per row when a table does not fit",
      () =>
        Effect.gen(function* () {
          yield* newUsers
          const at = { environment: yield* environment, columns: 30 }
          const { shown } = yield* atTerminal(at, "users", "list", "--limit", "2")
          assert.match(stripVTControlCharacters(shown), /^full_name {3}Ada\nrole {8}user$/m)
          for (const line of stripVTControlCharacters(shown).split("\n"))
            assert.isAtMost(stringWidth(line), 30)
        }),
      processTimeoutMs,
    )

    it.effect.each([{ NO_COLOR: "1" }, { TERM: "dumb" }])(
      "uses no colour with %o",
      (more) =>
        Effect.gen(function* () {
          const at = { environment: { ...(yield* environment), ...more } }
          const outcomes = [
            yield* atTerminal(at, "users", "list"),
            yield* atTerminal(at, "users", "--help"),
            yield* atTerminal(at, "users", "show", "nobody"),
          ]
          assert.deepStrictEqual(
            outcomes.map(({ code }) => code),
            [0, 0, 1],
          )
          for (const { shown } of outcomes) hasNoColor(shown)
        }),
      processTimeoutMs,
    )

    it.effect(
      "uses no colour in JSON, and uses it in a pipe with FORCE_COLOR",
      () =>
        Effect.gen(function* () {
          const at = yield* environment
          const { shown } = yield* atTerminal({ environment: at }, "users", "list", "--json")
          hasNoColor(shown)
          const { stdout } = yield* plinth({ ...at, FORCE_COLOR: "1" }, "users", "list")
          assert.include(stdout, escape)
        }),
      processTimeoutMs,
    )

    it.effect(
      "wraps help between words",
      () =>
        Effect.gen(function* () {
          const at = { environment: yield* environment, columns: 60 }
          const { shown } = yield* atTerminal(at, "users", "list", "--help")
          assert.include(shown, `${escape}[1mFLAGS`)
          const lines = stripVTControlCharacters(shown).trimEnd().split("\n")
          for (const line of lines) assert.isAtMost(stringWidth(line), 60)
          assert.match(
            stripVTControlCharacters(shown),
            /Only users with this text in\n {27}their e-mail or name/,
          )
        }),
      processTimeoutMs,
    )

    it.effect(
      "asks for confirmation before it deactivates a user, and accepts only yes",
      () =>
        Effect.gen(function* () {
          const users = yield* Users
          const { id } = yield* newUsers
          const at = { environment: yield* environment }
          const answer = (keys: string) =>
            atTerminal(
              { ...at, typed: [/Deactivate .+\? \[y\/N\]/, keys] },
              "users",
              "deactivate",
              id,
            )
          for (const keys of ["n\r", "\r", ctrl.d, ctrl.c]) {
            const { code, shown } = yield* answer(keys)
            assert.include(stripVTControlCharacters(shown), "plinth: nothing was changed")
            assert.strictEqual(code, 1)
          }
          assert.isTrue((yield* users.get(id)).is_active)
          assert.strictEqual((yield* answer("y\r")).code, 0)
          assert.isFalse((yield* users.get(id)).is_active)
        }),
      processTimeoutMs,
    )

    it.effect(
      "shows progress and clears it; shows none in a pipe",
      () =>
        Effect.gen(function* () {
          const words = ["smoke", "http://127.0.0.1:9", "--wait", "2"]
          const { code, shown } = yield* atTerminal({ environment: {} }, ...words)
          assert.strictEqual(code, 1)
          const cleared = `Checking http://127.0.0.1:9, 1 s\r${escape}[K`
          assert.include(shown, cleared)
          assert.notInclude(shown.slice(shown.indexOf(cleared) + cleared.length), "Checking")
          const piped = yield* plinth({}, ...words)
          assert.notInclude(piped.stdout + piped.stderr, "Checking")
        }),
      processTimeoutMs,
    )

    it.effect(
      "redraws counts until Ctrl-C",
      () =>
        Effect.gen(function* () {
          const at = { environment: yield* environment }
          const shows = /waiting[^]*waiting[^]*waiting/
          const { code, shown } = yield* atTerminal(
            { ...at, typed: [shows, ctrl.c] },
            "jobs",
            "stats",
            "--watch",
            "--interval",
            "1",
          )
          assert.strictEqual(code, 0)
          assert.strictEqual(shown.split(`${escape}[H${escape}[2J`).length > 3, true)
          assert.notInclude(shown, "plinth:")
        }),
      processTimeoutMs,
    )
  })
})
