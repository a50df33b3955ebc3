import "effect/schema/SchemaJITCompiler/enable"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { CliError, CliOutput, Command } from "effect/cli"
import { FetchHttpClient } from "effect/http"
import * as App from "./App.ts"
import * as DoctorCommand from "./cli/DoctorCommand.ts"
import * as MigrateCommand from "./cli/MigrateCommand.ts"
import * as OpenApiCommand from "./cli/OpenApiCommand.ts"
import { CommandFailed, switches } from "./cli/Output.ts"
import * as TokenCommand from "./cli/TokenCommand.ts"
import * as UsersCommand from "./cli/UsersCommand.ts"
import { Database } from "./core/Database.ts"
import * as Logger from "./core/Logger.ts"
import { Metrics } from "./core/Metrics.ts"
import * as Migrations from "./core/Migrations.ts"
import { Settings } from "./core/Settings.ts"
import { Tokens } from "./core/Tokens.ts"
import { version } from "./domain/Version.ts"
import { run } from "./Run.ts"
import { serve } from "./Serve.ts"

const telemetry = Metrics.layer.pipe(Layer.provideMerge(Logger.layerStderr))
const settings = telemetry.pipe(Layer.provideMerge(Settings.layer))
const database = Database.layer.pipe(Layer.provideMerge(settings))

/** A newcomer's SQLite file is migrated as a start would; on PostgreSQL that is a step of its own. */
const migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const { dialect } = yield* Database
    if (dialect === "sqlite") {
      yield* Migrations.run()
      return
    }
    const pending = (yield* Migrations.status()).filter(({ applied_at }) => applied_at === null)
    if (pending.length > 0) {
      return yield* new CommandFailed({
        message: `${pending.length} migrations are pending: run plinth migrate first`,
      })
    }
  }),
)
const application = migrated.pipe(Layer.provideMerge(App.layer), Layer.provideMerge(settings))

const serveCommand = Command.make("serve", {}, () => serve).pipe(
  Command.withDescription("Run the server, as npm start does"),
)

const plinth = Command.make("plinth").pipe(
  Command.withDescription("Operate a Plinth service. Reads the same environment as the server."),
  Command.withSubcommands([
    serveCommand,
    Command.provide(MigrateCommand.command, database),
    Command.provide(DoctorCommand.command, settings),
    OpenApiCommand.command,
    Command.provide(TokenCommand.command, Tokens.layer.pipe(Layer.provide(settings))),
    Command.provide(UsersCommand.command, application),
  ]),
)

/** What was asked for goes to stdout; help that nobody asked for does not. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          const formatter = yield* CliOutput.Formatter
          yield* Console.error(formatter.formatHelpDoc(event.helpDoc))
          yield* Console.error(formatter.formatErrors(event.errors))
        })
      : CliOutput.defaultPresenter.present(event),
}

/** Said with its value, a switch does not take the next word for it. */
const words = process.argv.slice(2).map((word) => (switches.includes(word) ? `${word}=true` : word))

run(
  Command.runWith(plinth, { version })(words).pipe(
    Effect.provide([
      NodeServices.layer,
      FetchHttpClient.layer,
      CliOutput.layerPresenter(presenter),
    ]),
  ),
  {
    codeOf: (error) => {
      if (CliError.isCliError(error))
        return error._tag === "ShowHelp" && error.errors.length === 0 ? 0 : 2
      return error._tag === "UsageError" ? 2 : 1
    },
    isSilent: CliError.isCliError,
  },
)
