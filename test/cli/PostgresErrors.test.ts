import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import { TestDatabase } from "../TestDatabase.ts"

const broken = "plinth: DATABASE_URL: the database cannot be opened"

layer(TestDatabase.layer, { excludeTestServices: true })("plinth on PostgreSQL", (it) => {
  it.effect(
    "reports a wrong password, a missing database and pending migrations",
    () =>
      Effect.gen(function* () {
        const url = new URL(yield* TestDatabase)
        const [wrong, none, empty] = [new URL(url), new URL(url), new URL(inject("postgres") ?? "")]
        wrong.password = "canary"
        none.pathname = "/nowhere"
        const outcomes = yield* Effect.forEach(
          [wrong, none, empty],
          (at) => plinth({ DATABASE_URL: at.href }, "users", "list"),
          { concurrency: 2 },
        )
        assert.deepStrictEqual(
          outcomes.map(({ code, stderr, stdout }) => [
            code,
            stdout,
            stderr.replace(/\d+(?=\): run)/, "n"),
          ]),
          [
            [1, "", `${broken} (28P01): wrong user or password\n`],
            [1, "", `${broken} (3D000): the database does not exist. Create it first: createdb\n`],
            [1, "", "plinth: migrations are pending (n): run plinth migrate\n"],
          ],
        )
      }),
    processTimeoutMs,
  )
})
