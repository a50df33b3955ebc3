import { Redacted } from "effect"

/** The database dialect and its location. */
export type DatabaseSettings =
  | { readonly dialect: "sqlite"; readonly filename: string }
  | { readonly dialect: "pg"; readonly url: Redacted.Redacted }

/**
 * Parses DATABASE_URL: `sqlite:<file>`, `sqlite:///<absolute path>`, `sqlite::memory:` or a `postgres://` URL. A
 * `+driver` after the scheme is ignored. Returns `undefined` for any other text.
 */
export const databaseSettings = (url: Redacted.Redacted): DatabaseSettings | undefined => {
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
