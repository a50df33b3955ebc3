import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { AuditRepo } from "../../src/business/audit/AuditRepo.ts"
import { Cleanup } from "../../src/business/privacy/Cleanup.ts"
import { Exports } from "../../src/business/privacy/Exports.ts"
import {
  closedAccounts,
  exportedTables,
  expiringTables,
  tables,
} from "../../src/business/PersonalData.ts"
import { personalColumns, type PersonalTable } from "../../src/business/PersonalTable.ts"
import { Users } from "../../src/business/users/Users.ts"
import { Database } from "../../src/core/sql/Database.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { JobStore } from "../../src/core/jobs/Store.ts"
import { AuditLogId } from "../../src/domain/users/AuditLog.ts"
import { ago, now } from "../../src/domain/Fields.ts"
import { ExportUserData } from "../../src/domain/jobs/JobKinds.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { seed } from "../fixtures/data/Canaries.ts"
import { type Column, columns, contents, foreignKeys } from "../fixtures/data/Schema.ts"
import { newUser, TestApp } from "../TestApp.ts"
import { dialect } from "../TestDatabase.ts"

const file = "src/business/PersonalData.ts"

const columnsOf = (table: PersonalTable): ReadonlyArray<string> => [
  ...("userIds" in table ? table.userIds : []),
  ...(table.erasure === "columns" ? Object.keys(table.personal) : []),
  ...(table.erasure === "rows" || table.erasure === "queue" ? table.personal : []),
  ...table.other,
]

const here = tables.filter(([, table]) => !("only" in table) || table.only === dialect())
const known = new Map(here.map(([name, table]) => [name, columnsOf(table)]))

/** The differences between the table and a schema, each with its remedy. */
const disagreements = (schema: ReadonlyArray<Column>) => {
  const inSchema = new Set(schema.map(({ column, table }) => `${table}.${column}`))
  const missing = schema.flatMap(({ column, table }) => {
    const columns = known.get(table)
    if (columns === undefined) return [`${table}: add an entry for this table to ${file}`]
    return columns.includes(column)
      ? []
      : [
          `${table}.${column}: add it to the entry \`${table}\` of ${file}, to userIds, personal or other`,
        ]
  })
  const superfluous = [...known].flatMap(([table, columns]) =>
    columns
      .filter((column) => !inSchema.has(`${table}.${column}`))
      .map((column) => `${table}.${column}: it is not in the database, remove it from ${file}`),
  )
  return [...new Set([...missing, ...superfluous])].toSorted()
}

const closeAccount = Effect.fnUntraced(function* (id: UserId) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`UPDATE users SET is_active = ${false}, closed_at = ${yield* ago("721 hours")} WHERE id = ${id}`
})

layer(TestApp, { excludeTestServices: true, timeout: "60 seconds" })("PersonalData", (it) => {
  it.effect("lists every column of the schema and no other", () =>
    Effect.gen(function* () {
      const schema = yield* columns
      assert.deepStrictEqual(disagreements(schema), [])
      for (const [name, table] of here) {
        const listed = columnsOf(table)
        assert.strictEqual(new Set(listed).size, listed.length, `${name} lists a column twice`)
        if (table.erasure !== "columns") continue
        for (const { column, ownerColumns } of personalColumns(table)) {
          assert.includeMembers([...table.userIds], [...ownerColumns])
          const { nullable } =
            schema.find((one) => one.table === name && one.column === column) ?? {}
          assert.isTrue(nullable, `${name}.${column} cannot be cleared`)
        }
      }
      for (const { column, key, name } of expiringTables) {
        assert.includeMembers([...(known.get(name) ?? [])], [column, ...key])
      }
      assert.include(known.get("users") ?? [], closedAccounts.column)
    }),
  )

  it.effect("reports a column or table that is not listed, with what to add", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE projects ADD COLUMN client_email TEXT`
      yield* sql`CREATE TABLE planted (id TEXT PRIMARY KEY)`
      assert.deepStrictEqual(disagreements(yield* columns), [
        `planted: add an entry for this table to ${file}`,
        `projects.client_email: add it to the entry \`projects\` of ${file}, to userIds, personal or other`,
      ])
      yield* sql`DROP TABLE planted`
      yield* sql`ALTER TABLE projects DROP COLUMN client_email`
      const without = (yield* columns).filter(({ column }) => column !== "avatar_url")
      assert.deepStrictEqual(disagreements(without), [
        `users.avatar_url: it is not in the database, remove it from ${file}`,
      ])
    }),
  )

  it.effect("lists the foreign keys of users as their ids, and parents before their children", () =>
    Effect.gen(function* () {
      const order = tables.map(([name]) => name)
      const keys = yield* foreignKeys
      assert.isNotEmpty(keys)
      for (const { child, column, parent } of keys) {
        assert.isAbove(order.indexOf(child), order.indexOf(parent), `${child} after ${parent}`)
        const table = tables.find(([name]) => name === child)?.[1]
        const userIds: ReadonlyArray<string> =
          table !== undefined && "userIds" in table ? table.userIds : []
        if (parent === "users") assert.include(userIds, column, child)
      }
    }),
  )

  it.effect("lists every id of a user, so that relinking leaves the old id nowhere", () =>
    Effect.gen(function* () {
      const { ids } = yield* seed
      const { relink } = yield* Users
      const to = newUser()
      const before = (yield* contents).placesOf(ids.A)
      yield* relink(ids.A, to)
      const { placesOf } = yield* contents
      // The audit row of the relinking itself.
      assert.deepStrictEqual(placesOf(ids.A), ["audit_logs.details"])
      assert.includeMembers(placesOf(to), before)
    }),
  )

  it.effect("does not overwrite the unique key of a job that the new id already has", () =>
    Effect.gen(function* () {
      const { enqueue, forget, get, list, relink } = yield* JobQueue
      const [from, to] = [newUser(), newUser()]
      const one = yield* enqueue(ExportUserData, { user_id: to }, { uniqueKey: to })
      const other = yield* enqueue(ExportUserData, { user_id: from }, { uniqueKey: from })
      yield* relink(from, to)
      assert.deepInclude(yield* get(one.id), { payload: { user_id: to }, unique_key: to })
      assert.deepInclude(yield* get(other.id), { payload: { user_id: to }, unique_key: from })
      yield* forget([to])
      assert.deepStrictEqual(yield* list({ limit: 10, user: to }), [])
    }),
  )

  it.effect("exports all of a user's data, to that user alone", () =>
    Effect.gen(function* () {
      const { canaries, ids } = yield* seed
      const { get, make } = yield* Exports
      const store = yield* JobStore
      for (const claim of yield* store.claim("export_user_data", 10)) {
        yield* store.settle([{ claim, outcome: "failed", error: "what went wrong inside" }])
      }
      yield* make(ids.A)
      const content = yield* get(ids.A)
      assert.include(content, `"state": "failed"`)
      assert.notInclude(content, "what went wrong inside")
      for (const text of canaries.A) {
        if (!text.includes("user_exports")) assert.include(content, text)
      }
      for (const text of canaries.B) assert.notInclude(content, text)
      assert.isAbove(canaries.A.size, exportedTables.length)
    }),
  )

  it.effect("exports the IP address of an impersonated action to the admin, not to the user", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { insert } = yield* AuditRepo
      const users = yield* Users
      const { get, make } = yield* Exports
      const [user, admin] = [newUser(), newUser()]
      for (const id of [user, admin]) {
        yield* users.create({ id, email: null, full_name: null, role: "user" })
      }
      yield* insert({
        id: AuditLogId.make(newUser()),
        actor_id: user,
        actor_email: "user@example.com",
        actor_role: "user",
        impersonator_id: admin,
        action: "user.updated",
        description: "Name changed",
        resource_type: "User",
        resource_id: user,
        details: {},
        ip_address: "192.0.2.1",
        request_id: null,
        created_at: yield* now,
      })
      yield* make(user)
      yield* make(admin)
      assert.include(yield* get(user), "user@example.com")
      assert.notInclude(yield* get(user), "192.0.2.1")
      assert.include(yield* get(admin), "192.0.2.1")
      assert.notInclude(yield* get(admin), "user@example.com")

      const auditRow = sql`SELECT actor_email, ip_address FROM audit_logs WHERE impersonator_id = ${admin}`
      yield* closeAccount(user)
      yield* (yield* Cleanup).run
      assert.deepStrictEqual(yield* auditRow, [{ actor_email: null, ip_address: "192.0.2.1" }])
      yield* closeAccount(admin)
      yield* (yield* Cleanup).run
      assert.deepStrictEqual(yield* auditRow, [{ actor_email: null, ip_address: null }])
    }),
  )

  it.effect("erases all personal data of a closed account, and no more", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { canaries, ids } = yield* seed
      const { run } = yield* Cleanup
      const before = yield* contents
      for (const text of canaries.A) assert.isNotEmpty(before.placesOf(text), text)
      yield* closeAccount(ids.A)
      assert.deepInclude(yield* run, { closed_accounts: 1 })

      const { placesOf } = yield* contents
      for (const text of canaries.A) assert.deepStrictEqual(placesOf(text), [], text)
      for (const text of canaries.B) assert.deepStrictEqual(placesOf(text), before.placesOf(text))
      // Includes ids of A in rows that belong to B.
      const remaining = here.flatMap(([name, table]) => {
        if (table.erasure !== "rows" && table.erasure !== "columns") return []
        const [owner, ...others] = table.userIds
        const left = table.erasure === "rows" ? others : [owner, ...others]
        return left.map((column) => `${name}.${column}`)
      })
      assert.deepStrictEqual(placesOf(ids.A), remaining.toSorted())
      const [row] = yield* sql`SELECT * FROM users WHERE id = ${ids.A}`
      for (const column of ["last_login_at", "last_token_iat", "stripe_customer_id", "closed_at"]) {
        assert.propertyVal(row, column, null)
      }
      assert.deepInclude(yield* run, { closed_accounts: 0 })
    }),
  )

  // On SQLite a transaction excludes all others.
  it.effect.skipIf(dialect() === "sqlite")(
    "keeps a row or an account that is restored while the clean-up waits for it",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { transaction } = yield* Database
        const { run } = yield* Cleanup
        const { canaries, ids } = yield* seed
        yield* sql`UPDATE projects SET deleted_at = ${yield* ago("721 hours")} WHERE owner_id = ${ids.A}`
        const before = yield* contents
        const waiting = sql`
          SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'
        `
        const runWhile = Effect.fnUntraced(function* (
          restored: Effect.Effect<unknown, SqlError.SqlError>,
        ) {
          const [isHeld, mayEnd] = [Latch.makeUnsafe(), Latch.makeUnsafe()]
          const holder = yield* Effect.forkChild(
            transaction(restored.pipe(Effect.andThen(isHeld.open), Effect.andThen(mayEnd.await))),
          )
          yield* isHeld.await
          const cleaning = yield* Effect.forkChild(run)
          yield* Effect.repeat(waiting, { until: ({ length }) => length > 0 })
          yield* mayEnd.open
          yield* Fiber.join(holder)
          return yield* Fiber.join(cleaning)
        })

        assert.deepInclude(
          yield* runWhile(sql`UPDATE projects SET deleted_at = NULL WHERE owner_id = ${ids.A}`),
          { projects: 0 },
        )
        yield* closeAccount(ids.A)
        assert.deepInclude(
          yield* runWhile(
            sql`UPDATE users SET is_active = ${true}, closed_at = NULL WHERE id = ${ids.A}`,
          ),
          { closed_accounts: 0 },
        )
        const after = yield* contents
        for (const text of canaries.A) {
          assert.deepStrictEqual(after.placesOf(text), before.placesOf(text), text)
        }
      }),
  )
})
