// @effect-diagnostics asyncFunction:off globalDate:off -- benchmarks are plain async code
import { execFileSync } from "node:child_process"
import { createHmac } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import postgres from "postgres"

/** The same rows for both servers: a user who reads, with 20 projects, and a user who creates. */

export const secret = "a-key-of-the-bench-0123456789-abcdefghij"
const time = "2026-01-01T00:00:00.000Z"
const issuedAt = Math.floor(Date.parse(time) / 1000)

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Returns a token of our own issuer whose login is already recorded. */
export const tokenOf = (sub: string) => {
  const header = encode({ alg: "HS256", typ: "JWT" })
  const claims = {
    iss: "plinth",
    sub,
    email: `${sub}@example.com`,
    purpose: "access",
    iat: issuedAt,
    exp: Math.floor(Date.now() / 1000) + 86_400,
  }
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}

export const reader = "018f0000-0000-7000-8000-00000000000a"
export const writer = "018f0000-0000-7000-8000-00000000000b"

const users = [reader, writer].map((id) => ({
  id,
  email: `${id}@example.com`,
  email_key: `${id}@example.com`,
  role: "user",
  subscription_plan: "free",
  subscription_status: "none",
  login_count: 1,
  last_token_iat: issuedAt,
  created_at: time,
  updated_at: time,
}))

const projects = Array.from({ length: 20 }, (_, n) => {
  const created_at = new Date(Date.parse(time) + n * 61_007).toISOString()
  return {
    id: `018f0000-0000-7000-8000-0000000001${String(n).padStart(2, "0")}`,
    owner_id: reader,
    name: `Analytical engine ${n}`,
    description:
      n % 4 === 0 ? null : "Computes Bernoulli numbers, and whatever else is asked of it",
    created_at,
    updated_at: created_at,
  }
})

const statement = (table: string, row: object, active: string) => {
  const more = table === "users" ? { columns: ", is_active", values: `, ${active}` } : undefined
  const literals = Object.values(row).map((value: unknown) =>
    value === null ? "NULL" : typeof value === "number" ? String(value) : `'${String(value)}'`,
  )
  return `INSERT INTO ${table} (${Object.keys(row).join(", ")}${more?.columns ?? ""}) VALUES (${literals.join(", ")}${more?.values ?? ""})`
}

const script = (active: string) =>
  [
    ...users.map((row) => statement("users", row, active)),
    ...projects.map((row) => statement("projects", row, active)),
  ].join(";\n")

/** Migrates and fills an empty database. */
export const seed = async (url: string) => {
  execFileSync(process.execPath, ["dist/cli.js", "migrate"], {
    env: { DATABASE_URL: url, SECRET_KEY: secret },
    stdio: ["ignore", "ignore", "inherit"],
  })
  if (url.startsWith("sqlite:")) {
    const database = new DatabaseSync(url.slice("sqlite:".length))
    database.exec(script("1"))
    database.close()
    return
  }
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  await sql.unsafe(script("true"))
  await sql.unsafe("VACUUM ANALYZE")
  await sql.end()
}
