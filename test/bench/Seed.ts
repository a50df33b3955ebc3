// @effect-diagnostics asyncFunction:off globalDate:off -- benchmarks are plain async code
import { execFileSync } from "node:child_process"
import { DatabaseSync } from "node:sqlite"
import postgres from "postgres"
import { issuedAt, secret } from "./Tokens.ts"

/** The same rows for all servers. */
export interface Rows {
  readonly users: ReadonlyArray<object>
  readonly projects: ReadonlyArray<object>
}

/** Lists and gets its 20 projects. */
export const reader = "018f0000-0000-7000-8000-00000000000a"
/** Creates projects. */
export const writer = "018f0000-0000-7000-8000-00000000000b"
/** Changes its 100 projects. */
export const editor = "018f0000-0000-7000-8000-00000000000c"

const timeOf = (seconds: number) => new Date((issuedAt + seconds) * 1000).toISOString()

export const userOf = (id: string) => ({
  id,
  email: `${id}@example.com`,
  email_key: `${id}@example.com`,
  role: "user",
  is_active: true,
  subscription_plan: "free",
  subscription_status: "none",
  login_count: 1,
  last_token_iat: issuedAt,
  created_at: timeOf(0),
  updated_at: timeOf(0),
})

export const projectOf = (id: string, owner_id: string, n: number) => {
  const created_at = timeOf(n * 61.007)
  return {
    id,
    owner_id,
    name: `Analytical engine ${n}`,
    description:
      n % 4 === 0 ? null : "Computes Bernoulli numbers, and whatever else is asked of it",
    created_at,
    updated_at: created_at,
  }
}

const idsOf = (group: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${group}${String(n).padStart(2, "0")}`)

export const readIds = idsOf("018f0000-0000-7000-8000-0000000001", 20)
export const editedIds = idsOf("018f0000-0000-7000-8000-0000000002", 100)

const usual: Rows = {
  users: [reader, writer, editor].map(userOf),
  projects: [
    ...readIds.map((id, n) => projectOf(id, reader, n)),
    ...editedIds.map((id, n) => projectOf(id, editor, n)),
  ],
}

const rowsPerStatement = 500

const insertions = (
  table: string,
  rows: ReadonlyArray<object>,
  literal: (value: unknown) => string,
) => {
  const columns = Object.keys(rows[0] ?? {}).join(", ")
  const values = rows.map((row) => `(${Object.values(row).map(literal).join(", ")})`)
  return Array.from(
    { length: Math.ceil(rows.length / rowsPerStatement) },
    (_, at) =>
      `INSERT INTO ${table} (${columns}) VALUES ${values.slice(at * rowsPerStatement, (at + 1) * rowsPerStatement).join(", ")}`,
  )
}

const scriptOf = ({ projects, users }: Rows, isSqlite: boolean) => {
  const literal = (value: unknown) => {
    if (typeof value === "boolean") return isSqlite ? String(Number(value)) : String(value)
    return value === null || typeof value === "number" ? String(value) : `'${String(value)}'`
  }
  const statements = [
    ...insertions("users", users, literal),
    ...insertions("projects", projects, literal),
  ]
  return ["BEGIN", ...statements, "COMMIT"].join(";\n")
}

/** Migrates and fills an empty database. */
export const seed = async (url: string, rows = usual) => {
  execFileSync(process.execPath, ["dist/cli.js", "migrate"], {
    env: { DATABASE_URL: url, SECRET_KEY: secret },
    stdio: ["ignore", "ignore", "inherit"],
  })
  if (url.startsWith("sqlite:")) {
    const database = new DatabaseSync(url.slice("sqlite:".length))
    database.exec(scriptOf(rows, true))
    database.close()
    return
  }
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  await sql.unsafe(scriptOf(rows, false))
  await sql.unsafe("VACUUM ANALYZE")
  await sql.end()
}
