import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Usage } from "../../src/business/usage/Usage.ts"
import { UsageReports } from "../../src/business/usage/UsageReports.ts"
import { Users } from "../../src/business/users/Users.ts"
import { now } from "../../src/domain/Fields.ts"
import type { UsageEvent } from "../../src/domain/usage/Usage.ts"
import { UserId } from "../../src/domain/users/User.ts"
import { jsonOf, processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import { TestApp } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"

/** Runs a command line against this file's database, which an application also uses. */
const run = (line: string) =>
  Effect.flatMap(TestDatabase, (DATABASE_URL) => plinth({ DATABASE_URL }, ...line.split(" ")))

layer(TestApp, { excludeTestServices: true })("plinth usage", (it) => {
  it.effect(
    "shows the report of the API, as a table and as JSON",
    () =>
      Effect.gen(function* () {
        const users = yield* Users
        const { record } = yield* Usage
        const { summary } = yield* UsageReports
        const id = UserId.make("ada")
        yield* users.create({ id, email: "ada@example.com", full_name: null, role: "user" })
        const occurred_at = yield* now
        const tokens = (dimension: string, quantity: number): UsageEvent => ({
          source: dimension,
          user_id: id,
          metric: "ai_tokens",
          quantity,
          dimension,
          estimated: false,
          occurred_at,
        })
        yield* record([tokens("echo", 30), tokens("gpt-4o", 40)])

        const [json, table, unknown, invalid] = yield* Effect.all(
          [
            run("usage show ada@example.com --days 7 --json"),
            run("usage show ada --days 7"),
            run("usage show grace"),
            run("usage show ada --days 366"),
          ],
          { concurrency: 2 },
        )
        assert.deepStrictEqual<unknown>(jsonOf(json), yield* summary(id, 7))
        assert.strictEqual(table.code, 0)
        assert.match(table.stdout, /^metric +total +previous +growth +per day +top dimension\n/)
        assert.match(table.stdout, /^ai_tokens +70 +0 +100 % +10 +gpt-4o$/m)
        assert.match(table.stdout, /^email_sent +0 +0 +0 % +0 +-$/m)
        assert.deepInclude(unknown, { code: 1, stdout: "" })
        assert.strictEqual(unknown.stderr, "plinth: no user has the id or e-mail grace\n")
        assert.deepInclude(invalid, { code: 2, stdout: "" })
      }),
    processTimeoutMs,
  )
})
