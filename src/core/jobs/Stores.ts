import { Effect, Layer } from "effect"
import * as JobStoreSqlite from "./sqlite/Store.ts"
import { Settings } from "../settings/Settings.ts"

/** The `JobStore` for the configured database. pg-boss is loaded only if it is used. */
export const layer = Layer.unwrap(
  Effect.flatMap(Settings, ({ database }) =>
    database.dialect === "sqlite"
      ? Effect.succeed(JobStoreSqlite.layer)
      : Effect.map(
          Effect.promise(() => import("./pgboss/Store.ts")),
          ({ layer }) => layer,
        ),
  ),
)
