// @effect-diagnostics asyncFunction:off globalTimers:off -- the baseline is plain async code
import postgres from "postgres"
import { type Project, type Store, toPage, type User } from "./FastifyStore.ts"
import type { Counters } from "./FastifyTelemetry.ts"

/** Plinth's statements on postgres.js. */
export const openPostgres = async (url: string, counters: Counters): Promise<Store> => {
  const sql = postgres(url, {
    max: 10,
    connection: { TimeZone: "UTC" },
    types: {
      // Converts text to text: a Date in between would cost more than the rest of the row.
      timestamp: {
        to: 1184,
        from: [1184],
        serialize: (value: string) => value,
        parse: (value: string) =>
          `${value.slice(0, 10)}T${value.slice(11, 19)}.${value.slice(20, -3).padEnd(3, "0").slice(0, 3)}Z`,
      },
      integer: {
        to: 20,
        from: [20],
        serialize: String,
        parse: Number,
      },
    },
  })
  await sql`SELECT 1`
  return {
    synchronous: false,
    user: async (id) => {
      const started = performance.now()
      const [row] = await sql<Array<User>>`
        SELECT id, email, email_key, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
          stripe_customer_id, apple_original_transaction_id, google_purchase_token, last_login_at,
          login_count, last_token_iat, closed_at, created_at, updated_at
        FROM users WHERE id = ${id}`
      counters.query("SELECT\nusers", started)
      return row
    },
    list: async (owner, window) => {
      const started = performance.now()
      const rows = await sql<Array<Project & { readonly total: number }>>`
        SELECT id, owner_id, name, description, created_at, updated_at,
          (SELECT count(*) FROM projects WHERE owner_id = ${owner} AND deleted_at IS NULL) AS total
        FROM projects WHERE owner_id = ${owner} AND deleted_at IS NULL
        ORDER BY created_at DESC, id DESC LIMIT ${window.limit} OFFSET ${window.skip}`
      counters.query("SELECT\nprojects", started)
      return toPage(rows, rows[0]?.total, window)
    },
    insert: async ({ id, owner_id, name, description, created_at, updated_at }) => {
      const started = performance.now()
      const [row] = await sql<Array<Project>>`
        INSERT INTO projects (id, owner_id, name, description, created_at, updated_at)
        VALUES (${id}, ${owner_id}, ${name}, ${description}, ${created_at}, ${updated_at})
        RETURNING id, owner_id, name, description, created_at, updated_at`
      counters.query("INSERT\nprojects", started)
      if (row === undefined) throw new Error("nothing was inserted")
      return row
    },
    get: async (owner, id) => {
      const started = performance.now()
      const [row] = await sql<Array<Project>>`
        SELECT id, owner_id, name, description, created_at, updated_at
        FROM projects WHERE owner_id = ${owner} AND deleted_at IS NULL AND id = ${id}`
      counters.query("SELECT\nprojects", started)
      return row
    },
    update: async (owner, id, { description, name, updated_at }) => {
      const started = performance.now()
      const [row] = await sql<Array<Project>>`
        UPDATE projects SET name = ${name}, description = ${description}, updated_at = ${updated_at}
        WHERE owner_id = ${owner} AND deleted_at IS NULL AND id = ${id}
        RETURNING id, owner_id, name, description, created_at, updated_at`
      counters.query("UPDATE\nprojects", started)
      return row
    },
  }
}
