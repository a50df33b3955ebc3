import { assert, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { Database } from "../../../src/core/sql/Database.ts"
import { errorText } from "../../../src/core/telemetry/ErrorText.ts"
import { reasonText, withoutValues } from "../../../src/core/SqlFailure.ts"
import {
  ConflictError,
  NotFoundError,
  ServiceUnavailableError,
} from "../../../src/domain/Errors.ts"
import * as TestDatabase from "../../TestDatabase.ts"

const { dialect } = TestDatabase

const sqliteErrors = [
  "SqlError: FOREIGN KEY constraint failed",
  "SqlError: UNIQUE constraint failed: children.id",
  "SqlError: NOT NULL constraint failed: children.parent",
  "SqlError: CHECK constraint failed: age > 0",
  "SqlError: no such table: nowhere",
  "SqlError: SQL logic error",
]

const postgresErrors = [
  `SqlError: update or delete on table "parents" violates foreign key constraint "children_parent_fkey" on table "children"`,
  `SqlError: duplicate key value violates unique constraint "children_pkey"`,
  `SqlError: null value in column "parent" of relation "children" violates not-null constraint`,
  `SqlError: new row for relation "children" violates check constraint "children_age_check"`,
  `SqlError: relation "nowhere" does not exist`,
  "SqlError: invalid input syntax for type integer (22P02)",
]

/** Creates an empty table; `rows` reads it outside of any transaction. */
const table = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DROP TABLE IF EXISTS marks`
  yield* sql`CREATE TABLE marks (n INTEGER PRIMARY KEY)`
  return {
    insert: (n: number) => sql`INSERT INTO marks (n) VALUES (${n})`,
    rows: Effect.map(sql<{ n: number }>`SELECT n FROM marks ORDER BY n`, (found) =>
      found.map(({ n }) => n),
    ),
  }
})

const failure = new NotFoundError({ resource: "Mark", id: "1" })

layer(TestDatabase.layer)("Database", (it) => {
  it.effect("commits all of a transaction or nothing", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const { insert, rows } = yield* table

      yield* transaction(Effect.andThen(insert(1), insert(2)))
      const failed = yield* Effect.flip(
        transaction(Effect.andThen(insert(3), Effect.fail(failure))),
      )
      const died = yield* Effect.exit(transaction(Effect.andThen(insert(4), Effect.die("bug"))))

      assert.strictEqual(failed, failure)
      assert.isTrue(Exit.hasDies(died))
      assert.deepStrictEqual(yield* rows, [1, 2])
    }),
  )

  it.effect("rolls back a failed nested transaction, and only that", () =>
    Effect.gen(function* () {
      const { transaction, write } = yield* Database
      const { insert, rows } = yield* table

      yield* transaction(
        Effect.gen(function* () {
          yield* insert(1)
          const duplicate = yield* Effect.flip(transaction(write("Mark")(insert(1))))
          assert.instanceOf(duplicate, ConflictError)
          yield* Effect.ignore(transaction(Effect.andThen(insert(2), Effect.fail(failure))))
          yield* transaction(insert(3))
        }),
      )

      assert.deepStrictEqual(yield* rows, [1, 3])
    }),
  )

  it.effect("isolates concurrent nested transactions", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const { insert, rows } = yield* table

      yield* transaction(
        Effect.forEach(
          [1, 2, 3, 4],
          (n) =>
            Effect.ignore(
              transaction(
                insert(n).pipe(
                  Effect.andThen(Effect.yieldNow),
                  Effect.andThen(n % 2 === 0 ? Effect.fail(failure) : Effect.void),
                ),
              ),
            ),
          { concurrency: "unbounded" },
        ),
      )

      assert.deepStrictEqual(yield* rows, [1, 3])
    }),
  )

  it.effect("hides an open transaction from others, and excludes their writes from it", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const { insert, rows } = yield* table
      const [written, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]

      const owner = yield* Effect.forkChild(
        transaction(
          insert(1).pipe(
            Effect.andThen(Deferred.succeed(written, undefined)),
            Effect.andThen(Deferred.await(release)),
            Effect.andThen(Effect.fail(failure)),
          ),
        ),
      )
      yield* Deferred.await(written)
      const reader = yield* Effect.forkChild(rows)
      const writer = yield* Effect.forkChild(insert(2))
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      yield* Deferred.succeed(release, undefined)

      assert.strictEqual(yield* Effect.flip(Fiber.join(owner)), failure)
      assert.notInclude(yield* Fiber.join(reader), 1)
      yield* Fiber.join(writer)
      assert.deepStrictEqual(yield* rows, [2])
    }),
  )

  it.effect("rolls back an interrupted transaction", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const { insert, rows } = yield* table
      const written = yield* Deferred.make<void>()

      const fiber = yield* Effect.forkChild(
        transaction(
          insert(1).pipe(
            Effect.andThen(Deferred.succeed(written, undefined)),
            Effect.andThen(Effect.never),
          ),
        ),
      )
      yield* Deferred.await(written)
      yield* Fiber.interrupt(fiber)

      assert.deepStrictEqual(yield* rows, [])
      yield* transaction(insert(2))
      assert.deepStrictEqual(yield* rows, [2])
    }),
  )

  it.effect("refuses a statement of a fiber that outlives its transaction", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const { insert, rows } = yield* table
      const ended = yield* Deferred.make<void>()

      const late = yield* transaction(
        Effect.forkDetach(Effect.andThen(Deferred.await(ended), insert(1))),
      )
      yield* Deferred.succeed(ended, undefined)

      assert.isTrue(Exit.isFailure(yield* Fiber.await(late)))
      assert.deepStrictEqual(yield* rows, [])
    }),
  )

  it.effect("reports no success when COMMIT fails", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const { insert, rows } = yield* table
      yield* sql`
        CREATE TABLE pointers (
          n INTEGER REFERENCES marks (n) DEFERRABLE INITIALLY DEFERRED
        )
      `

      const exit = yield* Effect.exit(
        transaction(Effect.andThen(insert(1), sql`INSERT INTO pointers (n) VALUES (9)`)),
      )

      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual(yield* rows, [])
      yield* transaction(insert(2))
      assert.deepStrictEqual(yield* rows, [2])
      yield* sql`DROP TABLE pointers`
    }),
  )

  it.effect("runs after-commit effects after the commit, and only then", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const { insert, rows } = yield* table
      const seen: Array<ReadonlyArray<number>> = []
      const readRows = Effect.orDie(Effect.map(rows, (found) => void seen.push(found)))

      yield* transaction(Effect.andThen(insert(1), sql.afterCommit(readRows)))
      yield* Effect.ignore(
        transaction(Effect.andThen(sql.afterCommit(readRows), Effect.fail(failure))),
      )

      assert.deepStrictEqual(seen, [[1]])
    }),
  )

  it.effect("dies of wrong SQL and of a violated constraint, which are bugs", () =>
    Effect.gen(function* () {
      const { query, write, ping } = yield* Database
      const sql = yield* SqlClient.SqlClient
      const { insert } = yield* table

      for (const statement of [
        sql`SELEC`,
        sql`SELECT * FROM nowhere`,
        sql`INSERT INTO projects (id) VALUES ('1')`,
      ]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(query(statement))))
        assert.isTrue(Exit.hasDies(yield* Effect.exit(write("Mark")(statement))))
      }
      yield* insert(1)
      assert.isTrue(Exit.hasDies(yield* Effect.exit(query(insert(1)))))
      yield* ping
    }),
  )

  it.effect("describes an error to operators without any value", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      yield* sql`CREATE TABLE parents (id TEXT PRIMARY KEY)`
      yield* sql`
        CREATE TABLE children (
          id TEXT PRIMARY KEY, parent TEXT NOT NULL REFERENCES parents (id), age INTEGER CHECK (age > 0)
        )
      `
      yield* sql`INSERT INTO parents ${sql.insert({ id: "canary" })}`
      const child = (id: string, parent: string | null, age: number) =>
        sql`INSERT INTO children ${sql.insert({ id, parent, age })}`
      yield* child("canary", "canary", 1)
      const errors: Array<string> = []
      for (const statement of [
        sql`DELETE FROM parents WHERE id = ${"canary"}`,
        child("canary", "canary", 1),
        child("another", null, 1),
        child("another", "canary", -777),
        sql`SELECT * FROM ${sql("nowhere")}`,
        dialect() === "pg"
          ? sql`SELECT CAST(CAST(${'canary "quoted" canary'} AS TEXT) AS INTEGER)`
          : sql`SELECT json_extract('{}', ${"canary path"})`,
      ]) {
        const exit = yield* Effect.exit(query(statement))
        assert.isTrue(Exit.hasDies(exit))
        if (Exit.isSuccess(exit)) continue
        const defect = Cause.squash(exit.cause)
        const trace = withoutValues(Cause.pretty(exit.cause), defect)
        assert.notInclude(trace, "canary")
        const text = errorText(defect)
        assert.strictEqual(
          reasonText(new ServiceUnavailableError({ service: "x", cause: defect })),
          text.slice(10),
        )
        assert.include(trace, text.slice(10))
        errors.push(text)
      }
      assert.deepStrictEqual(errors, dialect() === "pg" ? postgresErrors : sqliteErrors)
      const german = Object.assign(new Error("ungültige Eingabesyntax für Typ integer: »canary«"), {
        code: "22P02",
      })
      const reason = new SqlError.UnknownError({ cause: german })
      assert.strictEqual(
        errorText(new SqlError.SqlError({ reason })),
        "SqlError: ungültige Eingabesyntax für Typ integer (22P02)",
      )
      assert.isUndefined(reasonText(new Error("another")))
      assert.strictEqual(errorText(new Error("password=canary")), "Error: password=<redacted>")
    }),
  )

  it.effect("returns numbers, booleans, times and JSON as plain data", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const created_at = "2026-11-25T09:30:00.123Z"
      yield* sql`INSERT INTO audit_logs ${sql.insert({
        id: "1",
        action: "user.updated",
        description: "",
        resource_type: "user",
        resource_id: "1",
        details: JSON.stringify({ role: ["user", "admin"] }),
        created_at,
      })}`

      const [row] =
        yield* sql`SELECT id, details, created_at FROM audit_logs WHERE created_at = ${created_at}`
      const [count] = yield* sql`SELECT count(*) AS total, sum(1) AS sum FROM audit_logs`

      assert.deepStrictEqual(
        { ...row },
        { id: "1", details: { role: ["user", "admin"] }, created_at },
      )
      assert.deepStrictEqual({ ...count }, { total: 1, sum: 1 })
    }),
  )
})
