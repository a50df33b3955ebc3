import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { describeBug } from "./cli/Bug.ts"
import { presenter } from "./cli/Help.ts"
import { signalExitCode } from "./cli/Output.ts"
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

run(
  Command.runWith(plinth, { version })(process.argv.slice(2)).pipe(
    Effect.provide([
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
    ]),
  ),
  {
    bug: describeBug,
    codeOfStop: signalExitCode,
    // `plinth users list | head` has done what it was asked.
    codeOfUnread: 0,
    codeOf: (error) => (CliError.isCliError(error) ? 2 : 1),
    isSilent: CliError.isCliError,
  },
)
