// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import postgres from "postgres"
import type { PostgresServer } from "../fixtures/servers/PostgresServer.ts"
import { type Rows, seed } from "./Seed.ts"
import { directory } from "./Servers.ts"

/** A kind of database, which creates migrated and filled ones. */
export interface DatabaseKind {
  readonly name: "sqlite" | "postgresql"
  /** Returns the URL of a new database. */
  readonly create: (name: string, rows?: Rows) => Promise<string>
  /** Returns the URL of a copy of a database to which no server is connected. */
  readonly copy: (name: string, copy: string) => Promise<string>
}

const fileOf = (name: string) => join(directory, `${name}.db`)

export const sqlite: DatabaseKind = {
  name: "sqlite",
  create: async (name, rows) => {
    const url = `sqlite:${fileOf(name)}`
    await seed(url, rows)
    return url
  },
  copy: (name, copy) => {
    copyFileSync(fileOf(name), fileOf(copy))
    return Promise.resolve(`sqlite:${fileOf(copy)}`)
  },
}

export const postgresqlOf = (server: PostgresServer): DatabaseKind => {
  const createDatabase = async (text: string) => {
    const sql = postgres(server.url("postgres"), { max: 1 })
    await sql.unsafe(`CREATE DATABASE ${text}`)
    await sql.end()
  }
  return {
    name: "postgresql",
    create: async (name, rows) => {
      await createDatabase(name)
      await seed(server.url(name), rows)
      return server.url(name)
    },
    copy: async (name, copy) => {
      await createDatabase(`${copy} TEMPLATE ${name}`)
      return server.url(copy)
    },
  }
}
