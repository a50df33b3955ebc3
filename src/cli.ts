import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import * as DoctorCommand from "./cli/DoctorCommand.ts"
import * as JobsCommand from "./cli/JobsCommand.ts"
import * as MigrateCommand from "./cli/MigrateCommand.ts"
import * as OpenApiCommand from "./cli/OpenApiCommand.ts"
import { plain } from "./cli/Output.ts"
import * as SmokeCommand from "./cli/SmokeCommand.ts"
import { methodsOr } from "./cli/Target.ts"
import * as TokenCommand from "./cli/TokenCommand.ts"
import * as UsageCommand from "./cli/UsageCommand.ts"
import * as UsersCommand from "./cli/UsersCommand.ts"
import { version } from "./domain/Version.ts"
import { run } from "./Run.ts"

// What a command runs on is loaded when it runs, so that help, completions and mistakes are answered at once.

const operator = Effect.promise(() => import("./Operator.ts"))

const methods = methodsOr(Effect.map(operator, ({ application }) => application))

const serve = Command.make("serve", {}, () =>
  Effect.flatMap(
    Effect.promise(() =>
      import("effect/schema/SchemaJITCompiler/enable").then(() => import("./Serve.ts")),
    ),
    (server) => server.serve,
  ),
).pipe(
  Command.withShortDescription("Run the server"),
  Command.withDescription(
    "Run the server until it is told to stop, as npm start does: settings from the environment and .env, pending migrations first, its log on stdout. SIGTERM drains it.",
  ),
)

const worker = Command.make("worker", {}, () =>
  Effect.flatMap(
    Effect.promise(() =>
      import("effect/schema/SchemaJITCompiler/enable").then(() => import("./Work.ts")),
    ),
    (process) => process.work,
  ),
).pipe(
  Command.withShortDescription("Do background jobs"),
  Command.withDescription(
    "Do background jobs until it is told to stop: settings from the environment and .env, pending migrations first, its log on stdout; /health, /health/ready and /metrics on WORKER_PORT. Any number may run, also beside servers that do jobs themselves (JOBS_EMBEDDED), as they do on SQLite: each job is leased to one of them. SIGTERM lets jobs end within SHUTDOWN_GRACE_SECONDS, and hands the others back.",
  ),
)

const plinth = Command.make("plinth").pipe(
  Command.withDescription(
    "Operate a Plinth service. Reads the same environment and .env as the server. Results are on stdout, all else on stderr. Exit codes: 0 done, 1 failed, 2 not understood.",
  ),
  Command.withSubcommands([
    serve,
    worker,
    Command.provide(
      MigrateCommand.command,
      Layer.unwrap(Effect.map(operator, ({ database }) => database)),
    ),
    DoctorCommand.command,
    OpenApiCommand.command,
    SmokeCommand.command,
    Command.provide(
      TokenCommand.command,
      Layer.unwrap(Effect.map(operator, ({ tokens }) => tokens)),
    ),
    Command.provide(UsersCommand.command, methods),
    Command.provide(JobsCommand.command, methods),
    Command.provide(UsageCommand.command, methods),
  ]),
)

/** What was asked for goes to stdout; help that nobody asked for does not. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    switch (event._tag) {
      case "InvalidInvocation":
        return Console.error(
          [
            ...event.errors.map(({ message }) => `plinth: ${oneLine(message)}`),
            `Usage: ${event.helpDoc.usage}`,
            `Try: ${event.commandPath.join(" ")} --help`,
          ].join("\n"),
        )
      case "Help":
        return event.reason === "Requested"
          ? CliOutput.defaultPresenter.present(event)
          : Console.error(
              CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc),
            )
      case "Version":
        return Console.log(event.version)
    }
  },
}

/** Suggestions come on lines of their own. */
const oneLine = (message: string) =>
  plain(
    message
      .replace(/\n\n\s+Did you mean this\?\n\s+/, ". Did you mean: ")
      .replaceAll(/\n\s+/g, ", "),
  )

run(
  Command.runWith(plinth, { version })(process.argv.slice(2)).pipe(
    Effect.provide([
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
    ]),
  ),
  {
    codeOf: (error) => (CliError.isCliError(error) ? 2 : 1),
    isSilent: CliError.isCliError,
  },
)
