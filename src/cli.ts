import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { describeBug } from "./cli/Bug.ts"
import { presenter } from "./cli/Help.ts"
import { signalExitCode } from "./cli/Output.ts"
import { plinthOf } from "./cli/Plinth.ts"
import { version } from "./domain/Version.ts"
import { run } from "./Run.ts"

/** Enables compiled schemas, which pay off only in long-lived processes. */
const enableSchemaCompiler = Effect.promise(() => import("effect/schema/SchemaJITCompiler/enable"))

const plinth = plinthOf({
  serve: Effect.andThen(
    enableSchemaCompiler,
    Effect.flatMap(
      Effect.promise(() => import("./Serve.ts")),
      ({ serve }) => serve,
    ),
  ),
  work: Effect.andThen(
    enableSchemaCompiler,
    Effect.flatMap(
      Effect.promise(() => import("./Work.ts")),
      ({ work }) => work,
    ),
  ),
  operator: Effect.promise(() => import("./Operator.ts")),
})

run(
  Command.runWith(plinth, { version })(process.argv.slice(2)).pipe(
    Effect.provide([
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
    ]),
  ),
  {
    describeBug,
    signalExitCode,
    // `plinth users list | head` is a success.
    closedStdoutExitCode: 0,
    failureExitCode: (error) => (CliError.isCliError(error) ? 2 : 1),
    isReported: CliError.isCliError,
  },
)
