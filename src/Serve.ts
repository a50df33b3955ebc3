import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit, Layer } from "effect"
import * as Server from "./api/Server.ts"
import * as App from "./App.ts"
import * as Migrations from "./core/Migrations.ts"
import { Settings } from "./core/Settings.ts"

/** Tells where the server is, and in local how to get in. */
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

/** The server process: migrate, build, listen, and serve until it is told to stop. */
export const serve = announce.pipe(
  Layer.provideMerge(Server.layer),
  Layer.provide(Migrations.layer),
  Layer.provide(App.layer),
  Layer.provide(Settings.layer),
  Layer.launch,
)

/**
 * Runs a process's effect as the process. Exit code 0 when it ended or was told to stop, 1 when it failed, with one
 * line for each thing that is wrong. A second signal exits at once.
 */
export const run = <E extends Error>(effect: Effect.Effect<unknown, E>) => {
  let signals = 0
  const onSignal = () => {
    signals += 1
    if (signals > 1) process.exit(130)
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)

  NodeRuntime.runMain(Effect.tapCause(effect, explain), {
    disableErrorReporting: true,
    teardown: (exit, done) =>
      done(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1),
  })
}

const explain = (cause: Cause.Cause<Error>) =>
  Effect.sync(() => {
    if (Cause.hasInterruptsOnly(cause)) return
    const error = Cause.squash(cause)
    const lines = cause.reasons.some(Cause.isDieReason)
      ? Cause.pretty(cause)
      : error instanceof Error
        ? error.message
        : String(error)
    process.stderr.write(`${lines.replaceAll(/^/gm, "plinth: ")}\n`)
  })
