import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { plain } from "./cli/Output.ts"
import { plinthOf } from "./cli/Plinth.ts"
import { version } from "./domain/Version.ts"
import { run } from "./Run.ts"

/** Long-lived, so worth it to compile its schemas. */
const compiled = Effect.promise(() => import("effect/schema/SchemaJITCompiler/enable"))

const plinth = plinthOf({
  serve: Effect.andThen(
    compiled,
    Effect.flatMap(
      Effect.promise(() => import("./Serve.ts")),
      ({ serve }) => serve,
    ),
  ),
  work: Effect.andThen(
    compiled,
    Effect.flatMap(
      Effect.promise(() => import("./Work.ts")),
      ({ work }) => work,
    ),
  ),
  operator: Effect.promise(() => import("./Operator.ts")),
})

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
