import { Effect } from "effect"
import { Command } from "effect/cli"
import { yes, yesOrTerminal } from "./Confirmation.ts"
import { json } from "./Output.ts"

const actions = Effect.promise(() => import("./Migrating.ts"))

const status = Command.make("status", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.status(options)),
).pipe(
  Command.withShortDescription("List every migration and when it ran"),
  Command.withDescription(
    "List every migration and when it ran. Changes nothing. With --json: {migrations:[{id,name,applied_at}],pending}.",
  ),
  Command.withExamples([{ command: "plinth migrate status" }]),
)

const down = Command.make("down", { json, yes }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.down(options)),
).pipe(
  Command.validate((options) => yesOrTerminal(options.yes)),
  Command.withShortDescription("Take the newest migration back"),
  Command.withDescription(
    "Take the newest migration back, with every row in the tables and columns it made. Asks first, unless --yes is given. Stop the servers before: a start runs it again.",
  ),
  Command.withExamples([
    { command: "plinth migrate down --yes", description: "In a script, where nobody can be asked" },
  ]),
)

export const command = Command.make("migrate", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.run(options)),
).pipe(
  Command.withShortDescription("Run the migrations that have not run"),
  Command.withDescription(
    "Run the migrations that have not run, all or none, under a lock: of two at once one works and the other waits. A start of the server does the same.",
  ),
  Command.withExamples([
    { command: "plinth migrate", description: "Before a deployment" },
    { command: "plinth migrate status --json" },
  ]),
  Command.withSubcommands([status, down]),
)
