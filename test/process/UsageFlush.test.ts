import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../../src/domain/users/User.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** Starts a server on the database of the test. */
const serve = Effect.flatMap(TestDatabase.TestDatabase, (DATABASE_URL) => serving({ DATABASE_URL }))

/** Sends this many requests of the user, all of which must be answered. */
const ask = Effect.fnUntraced(function* (port: number, user: UserId, times: number) {
  const token = yield* tokenFor(user)
  for (let n = 0; n < times; n += 1) {
    const { status } = yield* sendTo(port, { path: "/api/v1/app/projects", token })
    assert.strictEqual(status, 200)
  }
})

interface Sum {
  readonly sum: number | null
}

/** Returns the stored request counts of the user, from the roll-up and from the ledger. */
const countsOf = Effect.fnUntraced(function* (user: UserId) {
  const sql = yield* SqlClient.SqlClient
  const [[daily], [ledger]] = yield* sql.withTransaction(
    Effect.all([
      sql<Sum>`SELECT CAST(sum(quantity) AS BIGINT) AS sum FROM usage_daily WHERE user_id = ${user}`,
      sql<Sum>`SELECT CAST(sum(quantity) AS BIGINT) AS sum FROM usage_events WHERE user_id = ${user}`,
    ]),
  )
  return [daily?.sum ?? 0, ledger?.sum ?? 0]
})

const untilCounted = (user: UserId, expected: number) =>
  eventually(Effect.map(countsOf(user), ([daily]) => daily === expected))

/** Waits until a session runs this query. Clears the snapshot that PostgreSQL keeps for a transaction. */
const untilActive = Effect.fnUntraced(function* (query: string) {
  const sql = yield* SqlClient.SqlClient
  const sessions = sql`
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND state = 'active' AND query LIKE ${query}
  `
  yield* eventually(
    Effect.map(
      Effect.andThen(sql`SELECT pg_stat_clear_snapshot()`, sessions),
      (found) => found.length > 0,
    ),
  )
})

const onPostgres = TestDatabase.dialect() === "pg"

layer(Layer.mergeAll(tokens, TestDatabase.layer), { excludeTestServices: true })(
  "A server that is killed",
  (it) => {
    it.effect(
      "loses only the counts of its last seconds, and one that is stopped loses none",
      () =>
        Effect.gen(function* () {
          const user = newUser()
          const first = yield* serve
          yield* ask(first.port, user, 7)
          yield* untilCounted(user, 7)
          yield* ask(first.port, user, 5)
          yield* first.kill
          assert.deepStrictEqual(yield* countsOf(user), [7, 7])

          const second = yield* serve
          yield* ask(second.port, user, 3)
          assert.deepInclude(yield* second.stop, { code: 0 })
          assert.deepStrictEqual(yield* countsOf(user), [10, 10])
        }),
      processTimeoutMs,
    )

    // SQLite has no lock with which a test could stop the server.
    it.effect.skipIf(!onPostgres)(
      "during a write counts once, in ledger and roll-up",
      () =>
        Effect.gen(function* () {
          const user = newUser()
          const sql = yield* SqlClient.SqlClient
          const first = yield* serve
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* sql`LOCK TABLE usage_daily IN SHARE MODE`
              yield* ask(first.port, user, 4)
              yield* untilActive("%INSERT INTO usage_daily%")
              yield* first.kill
              assert.deepStrictEqual(yield* countsOf(user), [0, 0])
            }),
          )
          yield* untilCounted(user, 4)
          const second = yield* serve
          yield* ask(second.port, user, 1)
          assert.deepInclude(yield* second.stop, { code: 0 })
          assert.deepStrictEqual(yield* countsOf(user), [5, 5])
        }),
      processTimeoutMs,
    )

    it.effect.skipIf(!onPostgres)(
      "during a commit counts once",
      () =>
        Effect.gen(function* () {
          const user = newUser()
          const sql = yield* SqlClient.SqlClient
          yield* sql`
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$
          `
          yield* sql`
            CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON usage_daily
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()
          `
          const first = yield* serve
          yield* ask(first.port, user, 4)
          yield* untilActive("%INSERT INTO usage_daily%")
          assert.deepStrictEqual(yield* countsOf(user), [0, 0])
          yield* first.kill
          yield* untilCounted(user, 4)
          yield* sql`DROP FUNCTION dawdle CASCADE`

          const second = yield* serve
          yield* ask(second.port, user, 2)
          assert.deepInclude(yield* second.stop, { code: 0 })
          assert.deepStrictEqual(yield* countsOf(user), [6, 6])
        }),
      processTimeoutMs,
    )
  },
)
