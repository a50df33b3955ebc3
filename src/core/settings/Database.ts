import { join } from "node:path"
import { Config, Redacted } from "effect"
import type * as DataDirectory from "./DataDirectory.ts"
import type * as Process from "./Process.ts"
import { checked, integer, optional, type Problem, type ValuesOf } from "./Variables.ts"

export const variables = () => ({
  DATABASE_URL: databaseUrl("DATABASE_URL"),
  DB_POOL_SIZE: integer("DB_POOL_SIZE", 1, 1000, 10),
})

export type Values = ValuesOf<typeof variables>

/** The database dialect and its location. */
type DatabaseSettings =
  | { readonly dialect: "sqlite"; readonly filename: string }
  | { readonly dialect: "pg"; readonly url: Redacted.Redacted }

export const problems = ({
  DATABASE_URL,
  ENVIRONMENT,
}: Partial<Values & Process.Values>): ReadonlyArray<Problem> =>
  ENVIRONMENT === "production" &&
  (DATABASE_URL === null || (DATABASE_URL && parse(DATABASE_URL)?.dialect === "sqlite"))
    ? [{ name: "DATABASE_URL", message: "must name a PostgreSQL server in production" }]
    : []

export interface Derived {
  readonly database: DatabaseSettings
}

export const derive = ({ DATABASE_URL, DATA_DIR }: Values & DataDirectory.Values): Derived => ({
  database: (DATABASE_URL && parse(DATABASE_URL)) ?? {
    dialect: "sqlite",
    filename: join(DATA_DIR, "plinth.db"),
  },
})

/** Redacted, because it may contain a password. */
const databaseUrl = (name: string) =>
  checked(
    name,
    "must be sqlite:<file> or postgres://<user>@<host>/<database>",
    (value) => parse(Redacted.make(value)) !== undefined,
  ).pipe(Config.map(Redacted.make<string>), optional)

/**
 * Parses DATABASE_URL: `sqlite:<file>`, `sqlite:///<absolute path>`, `sqlite::memory:` or a `postgres://` URL. A
 * `+driver` after the scheme is ignored. Returns `undefined` for any other text.
 */
const parse = (url: Redacted.Redacted): DatabaseSettings | undefined => {
  const value = Redacted.value(url).replace(/^(\w+)\+\w+:/, "$1:")
  if (value.startsWith("sqlite:")) {
    const filename = sqliteFile(value.slice("sqlite:".length))
    return filename === undefined ? undefined : { dialect: "sqlite", filename }
  }
  if (!/^postgres(?:ql)?:\/\//.test(value) || !URL.canParse(value)) return undefined
  const { hostname, searchParams } = new URL(value)
  // `?host=` names a Unix socket.
  if (hostname === "" && !searchParams.has("host")) return undefined
  return { dialect: "pg", url: Redacted.make(value) }
}

const sqliteFile = (rest: string) => {
  // Other tools write `sqlite:///:memory:`.
  if (/^(?:\/\/\/?)?:memory:$/.test(rest)) return ":memory:"
  if (!rest.startsWith("//")) return rest === "" ? undefined : rest
  // Two slashes start a host name, and a file has none: `sqlite://data.db` is a mistake, not a file in `/`.
  return /^\/\/\/+[^/]/.test(rest) ? rest.slice(2) : undefined
}
