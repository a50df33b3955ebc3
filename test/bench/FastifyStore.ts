// @effect-diagnostics asyncFunction:off globalDate:off globalTimers:off -- the baseline is plain async code
import { DatabaseSync } from "node:sqlite"
import postgres from "postgres"
import type { Counters } from "./FastifyTelemetry.ts"

/** Plinth's statements for list, create and user look-up, on node:sqlite and postgres.js. */

export interface User {
  readonly id: string
  readonly is_active: boolean | number
  readonly last_token_iat: number | null
}

export interface Project {
  readonly id: string
  readonly owner_id: string
  readonly name: string
  readonly description: string | null
  readonly created_at: string
  readonly updated_at: string
}

interface Page {
  readonly items: ReadonlyArray<Project>
  readonly total: number
  readonly skip: number
  readonly limit: number
}

type Awaitable<A> = A | Promise<A>

export interface Store {
  readonly synchronous: boolean
  readonly user: (id: string) => Awaitable<User | undefined>
  readonly list: (
    owner: string,
    window: { readonly skip: number; readonly limit: number },
  ) => Awaitable<Page>
  readonly insert: (project: Project) => Awaitable<Project>
}

const userColumns =
  "id, email, email_key, full_name, avatar_url, role, is_active, subscription_plan, subscription_status, stripe_customer_id, apple_original_transaction_id, google_purchase_token, last_login_at, login_count, last_token_iat, created_at, updated_at"
const columns = "id, owner_id, name, description, created_at, updated_at"

type Row = Project & { readonly total: number }

const toPage = (
  rows: ReadonlyArray<Row>,
  { skip, limit }: { readonly skip: number; readonly limit: number },
): Page => ({ items: rows, total: Number(rows[0]?.total ?? 0), skip, limit })

export const openStore = (url: string, counters: Counters): Awaitable<Store> =>
  url.startsWith("sqlite:")
    ? sqlite(url.slice("sqlite:".length), counters)
    : postgresql(url, counters)

const sqlite = (filename: string, counters: Counters): Store => {
  const database = new DatabaseSync(filename, { timeout: 5000, enableForeignKeyConstraints: true })
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 25")
  const select = database.prepare(`SELECT ${userColumns} FROM users WHERE id = ?`)
  const page = database.prepare(
    `SELECT ${columns}, (SELECT count(*) FROM projects WHERE owner_id = ? AND deleted_at IS NULL) AS total
     FROM projects WHERE owner_id = ? AND deleted_at IS NULL
     ORDER BY created_at DESC, id DESC LIMIT +? OFFSET +?`,
  )
  const insertion = database.prepare(
    `INSERT INTO projects (${columns}) VALUES (?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
  )
  // Reading arrays and building objects below takes half the time of node:sqlite's objects.
  page.setReturnArrays(true)
  return {
    synchronous: true,
    user: (id) => {
      const started = performance.now()
      const row = select.get(id) as User | undefined
      counters.query("SELECT\nusers", started)
      return row
    },
    list: (owner, window) => {
      const started = performance.now()
      const rows = page.all(owner, owner, window.limit, window.skip) as unknown
      counters.query("SELECT\nprojects", started)
      return toPage((rows as ReadonlyArray<Values>).map(toRow), window)
    },
    insert: (project) => {
      const started = performance.now()
      const row = insertion.get(
        project.id,
        project.owner_id,
        project.name,
        project.description,
        project.created_at,
        project.updated_at,
      ) as unknown
      counters.query("INSERT\nprojects", started)
      return row as Project
    },
  }
}

type Values = [string, string, string, string | null, string, string, number]

const toRow = ([id, owner_id, name, description, created_at, updated_at, total]: Values): Row => ({
  id,
  owner_id,
  name,
  description,
  created_at,
  updated_at,
  total,
})

const postgresql = async (url: string, counters: Counters): Promise<Store> => {
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
      const [row] = await sql<
        Array<User>
      >`SELECT ${sql.unsafe(userColumns)} FROM users WHERE id = ${id}`
      counters.query("SELECT\nusers", started)
      return row
    },
    list: async (owner, window) => {
      const started = performance.now()
      const rows = await sql<Array<Row>>`
        SELECT id, owner_id, name, description, created_at, updated_at,
          (SELECT count(*) FROM projects WHERE owner_id = ${owner} AND deleted_at IS NULL) AS total
        FROM projects WHERE owner_id = ${owner} AND deleted_at IS NULL
        ORDER BY created_at DESC, id DESC LIMIT ${window.limit} OFFSET ${window.skip}`
      counters.query("SELECT\nprojects", started)
      return toPage(rows, window)
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
  }
}
