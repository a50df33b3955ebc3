import { Effect, Layer } from "effect"
import type { TestProject } from "vitest/node"
import * as Migrations from "../src/core/sql/Migrations.ts"
import { jobsFor, layerFor } from "./LayerFor.ts"
import { type PostgresServer, startPostgres } from "./fixtures/servers/PostgresServer.ts"
import { runSql, template } from "./TestDatabase.ts"

let server: PostgresServer | undefined

/** Starts one PostgreSQL for the whole run, with a migrated template database that each test file copies. */
export const setup = (project: TestProject) =>
  Effect.gen(function* () {
    server = yield* startPostgres
    const postgres = server.url("postgres")
    yield* runSql(postgres, `CREATE DATABASE ${template}`)
    yield* Effect.provide(Migrations.run(), layerFor(server.url(template)))
    yield* Effect.scoped(Layer.build(jobsFor(server.url(template))))
    project.provide("postgres", postgres)
  }).pipe(Effect.runPromise)

export const teardown = () => server && Effect.runPromise(server.remove)
