import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as App from "./App.ts"
import { CommandFailed } from "./cli/Output.ts"
import { Database } from "./core/Database.ts"
import * as Logger from "./core/Logger.ts"
import { Metrics } from "./core/Metrics.ts"
import * as Migrations from "./core/Migrations.ts"
import { Settings } from "./core/Settings.ts"
import { Tokens } from "./core/Tokens.ts"
import * as RpcDirect from "./rpc/RpcDirect.ts"

/** What commands run on: the server's own parts, but for log lines, which go to stderr. */
const settingsLayer = Logger.layerStderr.pipe(Layer.provideMerge(Settings.layer))

/** The signing keys, for `token mint`. */
export const tokens = Tokens.layer.pipe(
  Layer.provide([Metrics.layer, FetchHttpClient.layer]),
  Layer.provide(settingsLayer),
)

/** The database as it is, for `migrate`. */
export const database = Database.layer.pipe(
  Layer.provide(Metrics.layer),
  Layer.provideMerge(settingsLayer),
)

/** A newcomer's SQLite file is migrated as a start would; on PostgreSQL that is a step of its own. */
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

/** The methods of the RPC contract, by the application in this process on a database that has what it needs. */
export const application = RpcDirect.layer.pipe(
  Layer.provideMerge(migrationsLayer),
  Layer.provideMerge(App.layer),
  Layer.provideMerge(settingsLayer),
)
