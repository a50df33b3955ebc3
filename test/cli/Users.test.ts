import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Users } from "../../src/business/users/Users.ts"
import { UserId } from "../../src/domain/users/User.ts"
import * as Business from "../fixtures/data/Business.ts"
import { jsonOf, processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** Runs a command line against this file's database. */
const run = (line: string) =>
  Effect.flatMap(TestDatabase, (DATABASE_URL) => plinth({ DATABASE_URL }, ...line.split(" ")))

/** Returns the output of the command with `--json`. */
const json = (line: string) => Effect.map(run(`${line} --json`), jsonOf)

const failure = (line: string) =>
  Effect.map(run(line), ({ code, stderr, stdout }) => ({ code, stderr, stdout }))

/** Creates a superadmin and demotes all other admins. */
const onlyAdmin = Effect.fnUntraced(function* (id: string) {
  const [users, sql] = [yield* Users, yield* SqlClient.SqlClient]
  yield* sql`UPDATE users SET role = 'user'`
  yield* users.create({ id: UserId.make(id), email: null, full_name: null, role: "superadmin" })
})

const failed = (message: string) => ({ code: 1, stderr: `plinth: ${message}\n`, stdout: "" })

layer(Business.layer)("plinth users", (it) => {
  it.effect(
    "creates the first admin, finds them by id and e-mail, and lists users like the API",
    () =>
      Effect.gen(function* () {
        const created = yield* json("users create ada --email Ada@example.com --name Ada")
        assert.include(created, { id: "ada", email: "Ada@example.com", role: "user" })
        const promoted = yield* json("users promote ada@EXAMPLE.com --role superadmin")
        assert.include(promoted, { id: "ada", role: "superadmin" })

        const [shown, page, table] = yield* Effect.all(
          [
            json("users show ada"),
            json("users list --role superadmin --active --search EXAMPLE --limit 5"),
            run("users list"),
          ],
          { concurrency: 2 },
        )
        assert.deepStrictEqual(shown, promoted)
        assert.deepStrictEqual(page, { items: [shown], total: 1, skip: 0, limit: 5 })
        assert.match(table.stdout, /^id +email .*\nada +Ada@example\.com +Ada +superadmin +true /)
      }),
    processTimeoutMs,
  )

  it.effect(
    "explains a refusal in one line",
    () =>
      Effect.gen(function* () {
        yield* onlyAdmin("root")
        yield* json("users create grace --email grace@example.com")
        const outcomes = yield* Effect.forEach(
          [
            "users show nobody@example.com",
            "users create grace",
            "users create other --email GRACE@example.com",
            "users promote root",
            "users deactivate --yes root",
            "users relink --yes grace root",
          ],
          failure,
          { concurrency: 2 },
        )

        assert.deepStrictEqual(outcomes, [
          failed("no user has the id or e-mail nobody@example.com"),
          failed("a user with this id already exists: plinth users show <id>"),
          failed("another user has this e-mail: plinth users show <email>"),
          failed(
            "user root is superadmin, which is a higher role: plinth users demote --role admin",
          ),
          failed("this is the last active admin: promote another user first"),
          failed("a user with this id already exists: plinth users show <id>"),
        ])
      }),
    processTimeoutMs,
  )

  it.effect(
    "deactivates, activates, demotes and relinks users, with the operator in the audit log",
    () =>
      Effect.gen(function* () {
        yield* onlyAdmin("another")
        yield* json("users create 1 --role admin")
        // A flag before an id that looks like a value of the flag does not consume the id.
        assert.include(yield* json("users deactivate --yes 1"), { id: "1", is_active: false })
        assert.include(yield* json("users activate 1"), { id: "1", is_active: true })
        assert.include(yield* json("users demote 1"), { id: "1", role: "user" })
        assert.include(yield* json("users relink --yes 1 auth0|1"), { id: "auth0|1", role: "user" })

        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ action: string; actor_id: string | null }>`
          SELECT action, actor_id FROM audit_logs WHERE resource_id = 'auth0|1' ORDER BY id
        `
        assert.deepStrictEqual(
          rows.map(({ action, actor_id }) => [action, actor_id]),
          [
            ["user.created", null],
            ["user.deactivated", null],
            ["user.activated", null],
            ["user.role_changed", null],
            ["user.relinked", null],
          ],
        )
      }),
    processTimeoutMs,
  )

  it.effect(
    "prints no control character of a name",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* TestDatabase
        const name = "\u001B[2JEve\nadmin"
        const created = yield* plinth({ DATABASE_URL }, "users", "create", "eve", "--name", name)
        const listed = yield* run("users list --search eve")

        for (const { stdout } of [created, listed]) {
          assert.include(stdout, String.raw`\u{1b}[2JEve\u{a}admin`)
          assert.notInclude(stdout, "\u001B")
        }
      }),
    processTimeoutMs,
  )
})
