import { Effect } from "effect"
import type { TestProject } from "vitest/node"
import * as Migrations from "../src/core/Migrations.ts"
import { layerFor } from "./LayerFor.ts"
import { type PostgresServer, startPostgres } from "./PostgresServer.ts"
import { runSql, template } from "./TestDatabase.ts"

let server: PostgresServer | undefined

/** One PostgreSQL for the whole run, with one migrated database that each test file copies. */
export const setup = async (project: TestProject) => {
  server = await startPostgres()
  const postgres = server.url("postgres")
  await Effect.runPromise(
    Effect.andThen(
      runSql(postgres, `CREATE DATABASE ${template}`),
      Effect.provide(Migrations.run(), layerFor(server.url(template))),
    ),
  )
  project.provide("postgres", postgres)
}

export const teardown = () => server?.remove()
