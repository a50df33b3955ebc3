import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Reactivity } from "effect/reactivity"
import { inject } from "vitest"
import * as Migrations from "../src/core/sql/Migrations.ts"
import { layerFor } from "./LayerFor.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of the run's PostgreSQL; null in the project that tests on SQLite. */
    readonly postgres: string | null
  }
}

/** The name of the migrated database that is copied for each test file. */
export const template = "plinth_template"

/** The kind of database that this project tests. */
export const dialect = (): "sqlite" | "pg" => (inject("postgres") === null ? "sqlite" : "pg")

/** The DATABASE_URL of a database that only this test file uses. Migrated on PostgreSQL, empty on SQLite. */
export class TestDatabase extends Context.Service<TestDatabase, string>()(
  "plinth/test/TestDatabase",
) {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => {
      const server = inject("postgres")
      return server === null ? temporaryFile : copyOfTemplate(server)
    }),
  )
}

export { layerFor }

/** Database and SqlClient of a new, migrated database. */
export const layer = Layer.unwrap(
  Effect.map(TestDatabase, (url) => Migrations.layer.pipe(Layer.provideMerge(layerFor(url)))),
).pipe(Layer.provideMerge(TestDatabase.layer))

/** Runs one statement on a new connection, e.g. CREATE DATABASE. */
export const runSql = (url: string, statement: string) =>
  Effect.scoped(
    Effect.flatMap(PgClient.makeClient({ url: Redacted.make(url) }), (sql) =>
      sql.unsafe(statement),
    ),
  ).pipe(Effect.provide(Reactivity.layer))

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-sqlite-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true })),
  ),
  (directory) => `sqlite:${join(directory, "test.db")}`,
)

const copyOfTemplate = (server: string) => {
  const name = `test_${SecureRandom.uuidV7Unsafe().replaceAll("-", "")}`
  const url = new URL(server)
  url.pathname = `/${name}`
  return Effect.as(
    Effect.acquireRelease(runSql(server, `CREATE DATABASE ${name} TEMPLATE ${template}`), () =>
      Effect.ignore(runSql(server, `DROP DATABASE ${name} WITH (FORCE)`)),
    ),
    url.href,
  )
}
