import { Redacted } from "effect"

/** Which database, and where. */
export type DatabaseSettings =
  | { readonly dialect: "sqlite"; readonly filename: string }
  | { readonly dialect: "pg"; readonly url: Redacted.Redacted }

/**
 * What DATABASE_URL names: `sqlite:<file>`, `sqlite:///<absolute path>`, `sqlite::memory:` or a `postgres://` URL. A
 * `+driver` after the scheme is ignored. `undefined` when it names no database.
 */
export const databaseSettings = (url: Redacted.Redacted): DatabaseSettings | undefined => {
  const value = Redacted.value(url).replace(/^(\w+)\+\w+:/, "$1:")
  if (value.startsWith("sqlite:")) {
    const filename = sqliteFile(value.slice("sqlite:".length))
    return filename === undefined ? undefined : { dialect: "sqlite", filename }
  }
  if (!/^postgres(?:ql)?:\/\//.test(value) || !URL.canParse(value)) return undefined
  const { hostname, searchParams } = new URL(value)
  // A Unix socket is named by `?host=`.
  if (hostname === "" && !searchParams.has("host")) return undefined
  return { dialect: "pg", url: Redacted.make(value) }
}

const sqliteFile = (rest: string) => {
  // The form other tools use for memory.
  if (/^(?:\/\/\/?)?:memory:$/.test(rest)) return ":memory:"
  if (!rest.startsWith("//")) return rest === "" ? undefined : rest
  // Two slashes begin a host, and a file has none: `sqlite://data.db` is a mistake, not a file in the root.
  return /^\/\/\/+[^/]/.test(rest) ? rest.slice(2) : undefined
}
