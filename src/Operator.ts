import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as App from "./App.ts"
import { CommandFailed } from "./cli/Output.ts"
import { Database } from "./core/sql/Database.ts"
import * as Logger from "./core/telemetry/Logger.ts"
import { Metrics } from "./core/telemetry/Metrics.ts"
import * as Migrations from "./core/sql/Migrations.ts"
import { Settings } from "./core/settings/Settings.ts"
import { Tokens } from "./core/identity/Tokens.ts"
import * as RpcDirect from "./rpc/RpcDirect.ts"

/** The settings and the logger of commands. The logger is that of the server, but writes to stderr. */
const settingsLayer = Logger.layerStderr.pipe(Layer.provideMerge(Settings.layer))

/** The service that signs tokens, for `token mint`. */
export const tokens = Tokens.layer.pipe(
  Layer.provide([Metrics.layer, FetchHttpClient.layer]),
  Layer.provide(settingsLayer),
)

/** The database in its current state, for `migrate`. */
export const database = Database.layer.pipe(
  Layer.provide(Metrics.layer),
  Layer.provideMerge(settingsLayer),
)

/** Migrates a SQLite file, as starting the server does. On PostgreSQL, fails while migrations are pending. */
const migrationsLayer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { dialect } = yield* Database
    if (dialect === "sqlite") {
      yield* Migrations.run()
      return
    }
    const pending = yield* Migrations.pending()
    if (pending.length > 0) {
      return yield* new CommandFailed({
        message: `migrations are pending (${pending.length}): run plinth migrate`,
      })
    }
  }),
)

/** The methods of the RPC contract, run in this process on a migrated database. */
export const application = RpcDirect.layer.pipe(
  Layer.provideMerge(migrationsLayer),
  Layer.provideMerge(App.layer),
  Layer.provideMerge(settingsLayer),
)
