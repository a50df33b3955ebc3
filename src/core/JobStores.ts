import { Effect, Layer } from "effect"
import * as JobStoreSqlite from "./JobStoreSqlite.ts"
import { Settings } from "./Settings.ts"

/** The `JobStore` for the configured database. pg-boss is loaded only if it is used. */
export const layer = Layer.unwrap(
  Effect.flatMap(Settings, ({ database }) =>
    database.dialect === "sqlite"
      ? Effect.succeed(JobStoreSqlite.layer)
      : Effect.map(
          Effect.promise(() => import("./JobStorePostgres.ts")),
          ({ layer }) => layer,
        ),
  ),
)
