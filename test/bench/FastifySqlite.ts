// @effect-diagnostics globalDate:off globalTimers:off -- the baseline is plain code
import { DatabaseSync } from "node:sqlite"
import { columns, type Project, type Store, toPage, type User } from "./FastifyStore.ts"
import type { Counters } from "./FastifyTelemetry.ts"

const userColumns =
  "id, email, email_key, full_name, avatar_url, role, is_active, subscription_plan, subscription_status, stripe_customer_id, apple_original_transaction_id, google_purchase_token, last_login_at, login_count, last_token_iat, closed_at, created_at, updated_at"

/** Plinth's statements on node:sqlite. */
export const openSqlite = (filename: string, counters: Counters): Store => {
  const database = new DatabaseSync(filename, { timeout: 5000, enableForeignKeyConstraints: true })
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 25")

  /** Reading arrays and building objects below takes less time than node:sqlite's objects. */
  const prepare = (text: string) => {
    const statement = database.prepare(text)
    statement.setReturnArrays(true)
    return statement
  }
  const selectUser = prepare(`SELECT ${userColumns} FROM users WHERE id = ?`)
  const page = prepare(
    `SELECT ${columns}, (SELECT count(*) FROM projects WHERE owner_id = ? AND deleted_at IS NULL) AS total
     FROM projects WHERE owner_id = ? AND deleted_at IS NULL
     ORDER BY created_at DESC, id DESC LIMIT +? OFFSET +?`,
  )
  const insertion = prepare(
    `INSERT INTO projects (${columns}) VALUES (?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
  )
  const selectProject = prepare(
    `SELECT ${columns} FROM projects WHERE owner_id = ? AND deleted_at IS NULL AND id = ?`,
  )
  const change = prepare(
    `UPDATE projects SET name = ?, description = ?, updated_at = ?
     WHERE owner_id = ? AND deleted_at IS NULL AND id = ? RETURNING ${columns}`,
  )
  return {
    synchronous: true,
    user: (id) => {
      const started = performance.now()
      const row = selectUser.get(id) as UserValues | undefined
      counters.query("SELECT\nusers", started)
      return row && toUser(row)
    },
    list: (owner, window) => {
      const started = performance.now()
      const rows = page.all(owner, owner, window.limit, window.skip) as unknown
      counters.query("SELECT\nprojects", started)
      const values = rows as ReadonlyArray<[...Values, number]>
      return toPage(values.map(toProject), values[0]?.[6], window)
    },
    insert: (project) => {
      const started = performance.now()
      // `get` stops at the row, so that SQLite never ends the statement and never checkpoints: the WAL grows for ever.
      const [row] = insertion.all(
        project.id,
        project.owner_id,
        project.name,
        project.description,
        project.created_at,
        project.updated_at,
      ) as ReadonlyArray<unknown>
      counters.query("INSERT\nprojects", started)
      return toProject(row as Values)
    },
    get: (owner, id) => {
      const started = performance.now()
      const row = selectProject.get(owner, id) as Values | undefined
      counters.query("SELECT\nprojects", started)
      return row && toProject(row)
    },
    update: (owner, id, { description, name, updated_at }) => {
      const started = performance.now()
      const rows = change.all(name, description, updated_at, owner, id) as ReadonlyArray<unknown>
      counters.query("UPDATE\nprojects", started)
      const [row] = rows as ReadonlyArray<Values>
      return row && toProject(row)
    },
  }
}

type Values = [string, string, string, string | null, string, string]

const toProject = ([id, owner_id, name, description, created_at, updated_at]:
  | Values
  | [...Values, number]): Project => ({
  id,
  owner_id,
  name,
  description,
  created_at,
  updated_at,
})

type Text = string | null
type UserValues = [
  ...[id: string, email: Text, email_key: Text, full_name: Text, avatar_url: Text, role: string],
  ...[is_active: number, plan: string, status: string, stripe: Text, apple: Text, google: Text],
  ...[last_login_at: Text, login_count: number, last_token_iat: number | null, closed_at: Text],
  ...[created_at: string, updated_at: string],
]

const toUser = (row: UserValues): User => ({
  id: row[0],
  email: row[1],
  full_name: row[3],
  avatar_url: row[4],
  role: row[5],
  is_active: row[6],
  subscription_plan: row[7],
  subscription_status: row[8],
  last_token_iat: row[14],
  created_at: row[16],
  updated_at: row[17],
})
