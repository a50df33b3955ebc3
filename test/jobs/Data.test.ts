import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Usage } from "../../src/business/usage/Usage.ts"
import { Users } from "../../src/business/users/Users.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { ago, now } from "../../src/domain/Fields.ts"
import { JobId } from "../../src/domain/jobs/Job.ts"
import {
  CleanupOldData,
  ExportUserData,
  SendNotificationEmail,
  SendPasswordResetEmail,
  SweepIdempotencyKeys,
} from "../../src/domain/jobs/JobKinds.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { type Caller, newCaller } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { bodyOf, send } from "../fixtures/http/Http.ts"
import { MailServer, publicUrl, serverWithMail } from "../fixtures/servers/MailServer.ts"
import { contents } from "../fixtures/data/Schema.ts"
import { newUser } from "../TestApp.ts"
import { dialect } from "../TestDatabase.ts"

const path = "/api/v1/app/users/me/export"
const projects = "/api/v1/app/projects"

type Row = Readonly<Record<string, unknown>>

const create = ({ token }: Caller, name: string) =>
  Effect.map(
    send({ path: projects, token, json: { name }, headers: { "idempotency-key": name } }),
    (answer) => bodyOf<{ id: string }>(answer).id,
  )

/** All text columns of all tables. */
const columns = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return dialect() === "pg"
    ? yield* sql<{ table: string; column: string }>`
        SELECT c.table_name AS "table", c.column_name AS "column"
        FROM information_schema.columns c
        WHERE c.table_schema = 'public' AND c.data_type = 'text'
      `
    : yield* sql<{ table: string; column: string }>`
        SELECT m.name AS "table", c.name AS "column"
        FROM sqlite_schema m, pragma_table_info(m.name) c
        WHERE m.type = 'table' AND c.type = 'TEXT'
      `
})

const usageTables: ReadonlyArray<string> = ["usage_events", "usage_daily"]

/** Counts the rows per table that contain the id in any column, without jobs, exports and usage. */
const rowCounts = Effect.fnUntraced(function* (id: UserId) {
  const sql = yield* SqlClient.SqlClient
  const counts = new Map<string, number>()
  for (const table of new Set((yield* columns).map(({ table }) => table))) {
    const names = (yield* columns).filter((one) => one.table === table).map(({ column }) => column)
    const found = yield* sql`
      SELECT 1 FROM ${sql(table)} WHERE ${sql.or(names.map((name) => sql`${sql(name)} = ${id}`))}
    `
    if (found.length > 0) counts.set(table, found.length)
  }
  counts.delete("user_exports")
  // Exported by their payload.
  counts.delete("jobs")
  // The export itself adds usage.
  for (const table of usageTables) counts.delete(table)
  return counts
})

const enqueueReset = (user_id: UserId, token: string) =>
  Effect.flatMap(JobQueue, ({ enqueue }) =>
    enqueue(SendPasswordResetEmail, { user_id, token, expires_in_minutes: 5 }, { delay: "1 hour" }),
  )

/** Waits until a job has completed, and returns its result. */
const resultOf = Effect.fnUntraced(function* (id: JobId) {
  const queue = yield* JobQueue
  yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "completed"))
  return (yield* queue.get(id)).result
})

layer(serverWithMail, { excludeTestServices: true, timeout: "60 seconds" })("User data", (it) => {
  it.effect("exports all data of a user, for them alone, and announces it by e-mail", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [caller, other, admin] = [
        yield* newCaller(),
        yield* newCaller(),
        yield* newCaller("admin"),
      ]
      const deleted = yield* create(caller, "deleted")
      yield* create(caller, "kept")
      yield* create(other, "another's")
      yield* send({ method: "DELETE", path: `${projects}/${deleted}`, token: caller.token })
      const change = { method: "PATCH", token: admin.token, json: { full_name: "Ada" } }
      yield* send({ ...change, path: `/api/v1/admin/users/${caller.id}` })
      yield* enqueueReset(caller.id, "canary")
      const { record } = yield* Usage
      yield* record([
        {
          source: "export",
          user_id: caller.id,
          metric: "file_uploads",
          quantity: 3,
          dimension: "",
          estimated: false,
          occurred_at: yield* now,
        },
      ])
      assert.strictEqual((yield* send({ path, token: caller.token })).status, 404)

      const asked = yield* send({ method: "POST", path, token: caller.token })
      assert.strictEqual(asked.status, 202)
      const { job_id } = bodyOf<{ job_id: string }>(asked)
      yield* resultOf(JobId.make(job_id))
      const file = yield* send({ path, token: caller.token })
      assert.strictEqual(file.status, 200)
      assert.strictEqual(file.headers["content-disposition"], 'attachment; filename="export.json"')
      const { jobs, tables, user_id } = bodyOf<{
        readonly user_id: string
        readonly tables: Readonly<Record<string, ReadonlyArray<Row>>>
        readonly jobs: ReadonlyArray<Row>
      }>(file)
      assert.strictEqual(user_id, caller.id)
      assert.deepStrictEqual(
        new Map(
          Object.entries(tables).flatMap(([table, rows]) =>
            rows.length > 0 && !usageTables.includes(table) ? [[table, rows.length] as const] : [],
          ),
        ),
        yield* rowCounts(caller.id),
      )
      for (const table of usageTables) {
        assert.deepInclude(
          tables[table]?.find(({ metric }) => metric === "file_uploads"),
          {
            user_id: caller.id,
            quantity: 3,
          },
        )
      }
      assert.deepStrictEqual(tables["projects"]?.map(({ name }) => name).toSorted(), [
        "deleted",
        "kept",
      ])
      assert.deepInclude(tables["users"]?.[0], { id: caller.id, full_name: "Ada" })
      assert.includeMembers(
        jobs.map(({ name }) => name),
        ["export_user_data", "send_welcome_email"],
      )
      assert.notInclude(file.text, other.id)
      // Includes what the admin did to the user, but no data of the admin and no credentials.
      assert.deepInclude(tables["audit_logs"]?.at(-1), {
        action: "user.updated",
        actor_id: admin.id,
        actor_email: null,
        ip_address: null,
      })
      assert.include(file.text, "send_password_reset_email")
      assert.notInclude(file.text, "canary")

      assert.strictEqual((yield* send({ path, token: other.token })).status, 404)
      const { mails } = yield* MailServer
      yield* eventually(
        Effect.sync(() =>
          mails.some(
            ({ subject, text, to }) =>
              to.includes(`${caller.id}@example.com`) &&
              subject.includes("export") &&
              text.includes(`${publicUrl}/account/export`),
          ),
        ),
      )

      // The next export replaces it.
      yield* create(caller, "newest")
      const again = yield* send({ method: "POST", path, token: caller.token })
      yield* resultOf(JobId.make(bodyOf<{ job_id: string }>(again).job_id))
      assert.include((yield* send({ path, token: caller.token })).text, `"newest"`)
      const rows = yield* sql`SELECT user_id FROM user_exports WHERE user_id = ${caller.id}`
      assert.strictEqual(rows.length, 1)
    }),
  )

  it.effect("fails the export of an unknown user at once, with the reason", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const { id } = yield* queue.enqueue(ExportUserData, { user_id: newUser() })
      yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "failed"))
      assert.deepInclude(yield* queue.get(id), {
        attempts: 1,
        error: "NotFoundError: User not found",
      })
    }),
  )

  it.effect("is deleted after its retention period, and not before", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const users = yield* Users
      const [caller, closed, closing, returned, banned] = yield* Effect.all([
        newCaller(),
        newCaller(),
        newCaller(),
        newCaller(),
        newCaller(),
      ])
      const [day, week, month] = [
        { expired: yield* ago("25 hours"), recent: yield* ago("23 hours") },
        { expired: yield* ago("169 hours"), recent: yield* ago("167 hours") },
        { expired: yield* ago("721 hours"), recent: yield* ago("719 hours") },
      ]
      const [old, fresh] = [yield* create(caller, "old"), yield* create(caller, "fresh")]
      for (const id of [old, fresh]) {
        yield* send({ method: "DELETE", path: `${projects}/${id}`, token: caller.token })
      }
      yield* sql`UPDATE projects SET deleted_at = ${month.expired} WHERE id = ${old}`
      yield* sql`UPDATE projects SET deleted_at = ${month.recent} WHERE id = ${fresh}`
      yield* sql`UPDATE idempotency_keys SET created_at = ${day.expired} WHERE key = 'old'`
      yield* sql`UPDATE idempotency_keys SET created_at = ${day.recent} WHERE key = 'fresh'`
      yield* sql`DELETE FROM user_exports`
      yield* sql`INSERT INTO user_exports ${sql.insert([
        { user_id: caller.id, content: "{}", created_at: week.expired },
        { user_id: banned.id, content: "{}", created_at: week.recent },
        { user_id: closed.id, content: "{}", created_at: week.recent },
      ])}`
      // Three closed their accounts; an operator reactivated one of them, and deactivated that one and `banned`.
      for (const [{ id, token }, time] of [
        [closed, month.expired],
        [closing, month.recent],
        [returned, month.expired],
      ] as const) {
        yield* send({ method: "DELETE", path: "/api/v1/app/users/me", token })
        yield* sql`UPDATE users SET closed_at = ${time} WHERE id = ${id}`
      }
      yield* users.activate("operator", returned.id)
      for (const { id } of [returned, banned]) yield* users.deactivate("operator", id)

      const { id } = yield* queue.enqueue(CleanupOldData, {})
      assert.deepStrictEqual(yield* resultOf(id), {
        idempotency_keys: 1,
        projects: 1,
        user_exports: 1,
        closed_accounts: 1,
      })
      const left = yield* sql<{ id: string }>`
        SELECT id FROM projects WHERE owner_id = ${caller.id}
      `
      assert.deepStrictEqual(
        left.map((row) => row.id),
        [fresh],
      )
      const exports = yield* sql<{ user_id: string }>`SELECT user_id FROM user_exports`
      assert.deepStrictEqual(
        exports.map(({ user_id }) => user_id),
        [banned.id],
      )
      for (const { id } of [closing, returned]) {
        assert.deepInclude(yield* users.get(id), { email: `${id}@example.com` })
      }
      assert.deepInclude(yield* users.get(closed.id), { email: null, is_active: false })
      assert.deepInclude(yield* users.get(banned.id), { email: `${banned.id}@example.com` })
      const rows = yield* sql<Row>`SELECT * FROM audit_logs WHERE actor_id = ${closed.id}`
      assert.notInclude(JSON.stringify(rows), "example.com")
      assert.strictEqual(
        (yield* send({ path: "/api/v1/app/users/me", token: closed.token })).status,
        403,
      )
      const again = yield* queue.enqueue(CleanupOldData, {})
      assert.deepStrictEqual(yield* resultOf(again.id), {
        idempotency_keys: 0,
        projects: 0,
        user_exports: 0,
        closed_accounts: 0,
      })
    }),
  )

  it.effect("erases from every table what a user wrote, also after a relink", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const [caller, to, nonce] = [yield* newCaller(), newUser(), newUser()]
      const { id, token } = caller
      yield* send({
        method: "PATCH",
        path: "/api/v1/app/users/me",
        token,
        json: { full_name: `Ada ${nonce}`, avatar_url: `https://example.com/${nonce}.png` },
      })
      const json = { name: nonce, description: nonce }
      yield* send({ path: projects, token, json, headers: { "idempotency-key": nonce } })
      // More rows than one statement deletes.
      const created_at = yield* now
      const many = Array.makeBy(501, (): Record<string, unknown> => {
        return { ...json, id: newUser(), owner_id: id, created_at, updated_at: created_at }
      })
      yield* sql`INSERT INTO projects ${sql.insert(many)}`
      const payload = { user_id: id, title: nonce, body: nonce, path: null }
      const { id: cancelled } = yield* queue.enqueue(SendNotificationEmail, payload, {
        delay: "1 hour",
      })
      yield* queue.cancel(cancelled)
      yield* resultOf((yield* queue.enqueue(ExportUserData, { user_id: id })).id)
      yield* (yield* Users).relink(id, to)
      const before = yield* contents
      assert.includeMembers(before.placesOf(nonce), [
        "idempotency_keys.body",
        "projects.description",
        "projects.name",
        "user_exports.content",
        "users.avatar_url",
        "users.full_name",
      ])
      yield* sql`UPDATE users SET is_active = ${false}, closed_at = ${yield* ago("721 hours")}
                 WHERE id = ${to}`

      yield* resultOf((yield* queue.enqueue(CleanupOldData, {})).id)
      const { placesOf } = yield* contents
      assert.deepStrictEqual([placesOf(nonce), placesOf(`${id}@example.com`)], [[], []])
      // The audit log keeps which id a user was relinked to.
      assert.deepStrictEqual(placesOf(id), ["audit_logs.details"])
    }),
  )

  it.effect("referenced by another table does not block the rest, and the job names it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const [caller, closed, blocked] = [yield* newCaller(), yield* newCaller(), yield* newCaller()]
      const past = yield* ago("721 hours")
      const projectsOfCaller = []
      for (const name of ["noted", "first", "second"]) {
        projectsOfCaller.push(yield* create(caller, name))
      }
      yield* sql`UPDATE projects SET deleted_at = ${past} WHERE owner_id = ${caller.id}`
      yield* create(closed, "unnoted")
      const blockedProject = yield* create(blocked, "noted, too")
      yield* sql`UPDATE users SET is_active = ${false}, closed_at = ${past}
                 WHERE ${sql.in("id", [closed.id, blocked.id])}`
      yield* sql`INSERT INTO user_exports ${sql.insert({ user_id: caller.id, content: "{}", created_at: past })}`
      // A product's table, without ON DELETE CASCADE.
      yield* sql`CREATE TABLE notes (project_id TEXT NOT NULL REFERENCES projects (id))`
      yield* sql`INSERT INTO notes ${sql.insert([
        { project_id: projectsOfCaller[0] },
        { project_id: blockedProject },
      ])}`

      const { id } = yield* queue.enqueue(CleanupOldData, {})
      yield* eventually(Effect.map(queue.get(id), ({ error }) => error !== null))
      const reason =
        dialect() === "pg"
          ? `update or delete on table "projects" violates foreign key constraint "notes_project_id_fkey" on table "notes"`
          : "FOREIGN KEY constraint failed"
      assert.strictEqual(
        (yield* queue.get(id)).error,
        [
          `CleanupFailed: projects: RowsFailed: 1 row failed, 2 done: ${reason}`,
          `closed_accounts: RowsFailed: 1 row failed, 1 done: ${reason}`,
          "done: idempotency_keys 0, user_exports 1",
        ].join("; "),
      )
      const left = yield* sql<{ name: string }>`
        SELECT name FROM projects WHERE ${sql.in("owner_id", [caller.id, closed.id, blocked.id])}
        ORDER BY name
      `
      assert.deepStrictEqual(
        left.map(({ name }) => name),
        ["noted", "noted, too"],
      )
      const emails = yield* sql<{ email: string | null }>`
        SELECT email FROM users WHERE ${sql.in("id", [closed.id, blocked.id])}
      `
      assert.sameMembers(
        emails.map(({ email }) => email),
        [null, `${blocked.id}@example.com`],
      )
      // An account is erased completely or not at all.
      const keys = yield* sql`SELECT key FROM idempotency_keys WHERE user_id = ${blocked.id}`
      assert.lengthOf(keys, 1)

      // The next attempt deletes the rest.
      yield* sql`DROP TABLE notes`
      assert.deepStrictEqual(yield* resultOf(id), {
        projects: 1,
        idempotency_keys: 0,
        user_exports: 0,
        closed_accounts: 1,
      })
    }),
  )

  it.effect("sweeps expired idempotency keys; other keys still replay their answers", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const caller = yield* newCaller()
      const [first, second] = [yield* create(caller, "swept"), yield* create(caller, "held")]
      yield* sql`UPDATE idempotency_keys SET created_at = ${yield* ago("25 hours")} WHERE key = 'swept'`
      yield* sql`UPDATE idempotency_keys SET created_at = ${yield* ago("23 hours")} WHERE key = 'held'`
      const { id } = yield* queue.enqueue(SweepIdempotencyKeys, {})
      assert.strictEqual(yield* resultOf(id), 1)
      assert.notStrictEqual(yield* create(caller, "swept"), first)
      assert.strictEqual(yield* create(caller, "held"), second)
    }),
  )
})
