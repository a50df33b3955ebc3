import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { yes, yesOrTerminal } from "./Confirmation.ts"
import { json } from "./Output.ts"

const actions = Effect.promise(() => import("./Migrating.ts"))

const status = Command.make("status", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.status(options)),
).pipe(
  Command.withShortDescription("List every migration and when it ran"),
  Command.withDescription(
    "List every migration and when it ran; also those that this release does not know, and then why they are in the way, if they are (exit code 1). Changes nothing. With --json: {migrations:[{id,name,applied_at,known}],pending}.",
  ),
  Command.withExamples([{ command: "plinth migrate status" }]),
)

const down = Command.make("down", { json, yes }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.down(options)),
).pipe(
  Command.validate((options) => yesOrTerminal(options.yes)),
  Command.withShortDescription("Take back the migration that ran last"),
  Command.withDescription(
    "Take back the migration that ran last, with every row in the tables and columns it made. Of those that ran at once, the one with the highest number. One that this release does not know is taken back by the release that does. Asks first, unless --yes is given. Stop the servers before: a start runs it again.",
  ),
  Command.withExamples([
    { command: "plinth migrate down --yes", description: "In a script, where nobody can be asked" },
  ]),
)

const rename = Command.make(
  "rename",
  {
    from: Argument.String("old").pipe(
      Argument.withDescription("The name under which it ran, as plinth migrate status lists it"),
    ),
    to: Argument.String("new").pipe(
      Argument.withDescription("Its name in this release, like 1001_tasks"),
      Argument.filter(
        (name) => /^\d{4,}(?:_[a-z0-9]+)+$/.test(name),
        () => "a name like 1001_tasks",
      ),
    ),
    json,
  },
  (options) => Effect.flatMap(actions, (migrating) => migrating.rename(options)),
).pipe(
  Command.withShortDescription("Record a migration that ran under its new name"),
  Command.withDescription(
    "Record a migration that ran under its new name, after its file and its line in migrations/index.ts were renamed: for instance one whose number another branch, or a release of Plinth, has taken. Runs nothing and loses nothing. With --json: {from,to}.",
  ),
  Command.withExamples([{ command: "plinth migrate rename 0010_tasks 1001_tasks" }]),
)

export const command = Command.make("migrate", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.run(options)),
).pipe(
  Command.withShortDescription("Run the migrations that have not run"),
  Command.withDescription(
    "Run the migrations that have not run, all or none, under a lock: of two at once one works and the other waits. Refused when the migrations of this release and those of the database do not fit together. A start of the server does the same.",
  ),
  Command.withExamples([
    { command: "plinth migrate", description: "Before a deployment" },
    { command: "plinth migrate status --json" },
  ]),
  Command.withSubcommands([status, down, rename]),
)
