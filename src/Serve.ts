import { Effect, Layer } from "effect"
import * as Doors from "./Doors.ts"
import * as Server from "./http/Server.ts"
import * as App from "./App.ts"
import * as SystemCounts from "./business/operations/SystemCounts.ts"
import * as Logger from "./core/telemetry/Logger.ts"
import * as Migrations from "./core/sql/Migrations.ts"
import { Settings } from "./core/settings/Settings.ts"
import * as Worker from "./jobs/Worker.ts"

/** Logs the server's URLs and, in `local`, how to create a token. */
const announce = Layer.effectDiscard(
  Effect.gen(function* () {
    const settings = yield* Settings
    const { port } = yield* Server.Address
    const url = `http://localhost:${port}`
    yield* Effect.logInfo("listening").pipe(Effect.annotateLogs({ url }))
    if (settings.docs) {
      yield* Effect.logInfo("documentation").pipe(Effect.annotateLogs({ url: `${url}/docs` }))
    }
    if (settings.ENVIRONMENT === "local") {
      yield* Effect.logInfo("sign in with a token").pipe(
        Effect.annotateLogs({
          command: "npm run -s cli -- token mint --sub ada --email ada@example.com",
        }),
      )
    }
  }),
)

const ifEmbedded = (jobs: typeof Worker.layer) =>
  Layer.unwrap(Effect.map(Settings, ({ jobsEmbedded }) => (jobsEmbedded ? jobs : Layer.empty)))

/** The server. At shutdown it drains requests first; running jobs may use the rest of the grace period. */
export const serveWith = (jobs: typeof Worker.layer) =>
  announce.pipe(
    Layer.provideMerge(Doors.layer),
    Layer.provide([ifEmbedded(jobs), SystemCounts.layer]),
    Layer.provide(Migrations.layer),
    Layer.provide(App.layer),
    Layer.provide(Logger.layer),
    Layer.provide(Settings.layer),
    Layer.launch,
  )

/** The server process: migrates, builds, listens, and serves until it receives a stop signal. */
export const serve = serveWith(Worker.layer)
