import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Users } from "../../src/business/Users.ts"
import { JobQueue } from "../../src/core/JobQueue.ts"
import { CleanupOldData, JobId, SweepIdempotencyKeys } from "../../src/domain/Job.ts"
import { type UserId } from "../../src/domain/User.ts"
import { type Caller, newCaller } from "../fixtures/Callers.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { bodyOf, send } from "../fixtures/Http.ts"
import { MailServer, publicUrl, serverWithMail } from "../fixtures/MailServer.ts"
import { dialect } from "../TestDatabase.ts"

const path = "/api/v1/app/users/me/export"
const projects = "/api/v1/app/projects"

type Row = Readonly<Record<string, unknown>>

const create = ({ token }: Caller, name: string) =>
  Effect.map(
    send({ path: projects, token, json: { name }, headers: { "idempotency-key": name } }),
    (answer) => bodyOf<{ id: string }>(answer).id,
  )

/** Columns of all tables that hold text, whatever they are called. */
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

/** How many rows of each table have the id in any column. */
const held = Effect.fnUntraced(function* (id: UserId) {
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
  // Found by their payload.
  counts.delete("jobs")
  return counts
})

/** Runs one to its end, and gives its result. */
const done = Effect.fnUntraced(function* (id: JobId) {
  const queue = yield* JobQueue
  yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "completed"))
  return (yield* queue.get(id)).result
})

layer(serverWithMail, { excludeTestServices: true, timeout: "60 seconds" })("Data", (it) => {
  it.effect("that is held on a user is exported whole, for him alone, and announced", () =>
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
      assert.strictEqual((yield* send({ path, token: caller.token })).status, 404)

      const asked = yield* send({ method: "POST", path, token: caller.token })
      assert.strictEqual(asked.status, 202)
      const { job_id } = bodyOf<{ job_id: string }>(asked)
      yield* done(JobId.make(job_id))
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
            rows.length > 0 ? [[table, rows.length] as const] : [],
          ),
        ),
        yield* held(caller.id),
      )
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
      const rows = yield* sql`SELECT user_id FROM user_exports WHERE user_id = ${caller.id}`
      assert.strictEqual(rows.length, 1)
    }),
  )

  it.effect("past its retention goes, and what is not stays", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const users = yield* Users
      const [caller, closed, banned] = [yield* newCaller(), yield* newCaller(), yield* newCaller()]
      yield* sql`DELETE FROM user_exports`
      const long = "2020-01-01T00:00:00.000Z"
      const [old, fresh] = [yield* create(caller, "old"), yield* create(caller, "fresh")]
      for (const id of [old, fresh]) {
        yield* send({ method: "DELETE", path: `${projects}/${id}`, token: caller.token })
      }
      yield* sql`UPDATE projects SET deleted_at = ${long} WHERE id = ${old}`
      yield* sql`UPDATE idempotency_keys SET created_at = ${long} WHERE key = 'old'`
      const exported = yield* send({ method: "POST", path, token: caller.token })
      yield* done(JobId.make(bodyOf<{ job_id: string }>(exported).job_id))
      yield* sql`UPDATE user_exports SET created_at = ${long}`
      // Closed by himself, long ago; the other by an operator, who may let him in again.
      yield* send({ method: "DELETE", path: "/api/v1/app/users/me", token: closed.token })
      yield* sql`UPDATE users SET closed_at = ${long} WHERE id = ${closed.id}`
      yield* users.deactivate("operator", banned.id)

      const { id } = yield* queue.enqueue(CleanupOldData, {})
      assert.deepStrictEqual(yield* done(id), {
        idempotency_keys: 1,
        projects: 1,
        exports: 1,
        accounts: 1,
      })
      const left = yield* sql<{ id: string }>`
        SELECT id FROM projects WHERE owner_id = ${caller.id}
      `
      assert.deepStrictEqual(
        left.map((row) => row.id),
        [fresh],
      )
      assert.strictEqual((yield* send({ path, token: caller.token })).status, 404)
      assert.deepInclude(yield* users.get(closed.id), { email: null, is_active: false })
      assert.deepInclude(yield* users.get(banned.id), { email: `${banned.id}@example.com` })
      const rows = yield* sql<Row>`SELECT * FROM audit_logs WHERE actor_id = ${closed.id}`
      assert.notInclude(JSON.stringify(rows), "example.com")
      assert.strictEqual(
        (yield* send({ path: "/api/v1/app/users/me", token: closed.token })).status,
        403,
      )
      const again = yield* queue.enqueue(CleanupOldData, {})
      assert.deepStrictEqual(yield* done(again.id), {
        idempotency_keys: 0,
        projects: 0,
        exports: 0,
        accounts: 0,
      })
    }),
  )

  it.effect("of expired idempotency keys is swept, and the others answer again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* JobQueue
      const caller = yield* newCaller()
      const [first] = [yield* create(caller, "swept"), yield* create(caller, "held")]
      const long = "2020-01-01T00:00:00.000Z"
      yield* sql`UPDATE idempotency_keys SET created_at = ${long} WHERE key = 'swept'`
      const { id } = yield* queue.enqueue(SweepIdempotencyKeys, {})
      assert.strictEqual(yield* done(id), 1)
      assert.notStrictEqual(yield* create(caller, "swept"), first)
    }),
  )
})
