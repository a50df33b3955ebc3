import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { yes, requireYesOrTerminal } from "../Confirmation.ts"
import { json } from "../Output.ts"

const actions = Effect.promise(() => import("./Migrating.ts"))

const status = Command.make("status", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.status(options)),
).pipe(
  Command.withShortDescription("List the migrations and when they ran"),
  Command.withDescription(
    "List all migrations and when they ran, including those unknown to this release. Changes nothing. If the database and this release conflict, explains why and exits with 1. With --json: {migrations:[{id,name,applied_at,known}],pending}.",
  ),
  Command.withExamples([{ command: "plinth migrate status" }]),
)

const down = Command.make("down", { json, yes }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.down(options)),
).pipe(
  Command.validate((options) => requireYesOrTerminal(options.yes)),
  Command.withShortDescription("Roll back the newest migration"),
  Command.withDescription(
    "Roll back the newest migration, and delete all data in the tables and columns it created. The newest is the one that ran last; of several in one run, the one with the highest number. A migration unknown to this release can only be rolled back by the release that has it. Asks for confirmation unless --yes is given. Stop the servers first: a starting server runs it again.",
  ),
  Command.withExamples([
    { command: "plinth migrate down --yes", description: "In a script, without a terminal" },
  ]),
)

const rename = Command.make(
  "rename",
  {
    from: Argument.String("old").pipe(
      Argument.withDescription("Name under which it ran, as plinth migrate status lists it"),
    ),
    to: Argument.String("new").pipe(
      Argument.withDescription("Name in this release, such as 1001_tasks"),
      Argument.filter(
        (name) => /^\d{4,}(?:_[a-z0-9]+)+$/.test(name),
        () => "a name such as 1001_tasks",
      ),
    ),
    json,
  },
  (options) => Effect.flatMap(actions, (migrating) => migrating.rename(options)),
).pipe(
  Command.withShortDescription("Record the new name of a migration that ran"),
  Command.withDescription(
    "Record the new name of a migration that ran, after you renamed its file and its line in migrations/index.ts: for instance because another branch, or a release of Plinth, has taken its number. Runs no migration and deletes nothing. With --json: {from,to}.",
  ),
  Command.withExamples([{ command: "plinth migrate rename 0010_tasks 1001_tasks" }]),
)

export const command = Command.make("migrate", { json }, (options) =>
  Effect.flatMap(actions, (migrating) => migrating.run(options)),
).pipe(
  Command.withShortDescription("Run the pending migrations"),
  Command.withDescription(
    "Run the pending migrations, all or none, under a lock: a second run waits for the first. Fails if the migrations of this release and of the database conflict. A starting server does the same.",
  ),
  Command.withExamples([
    { command: "plinth migrate", description: "Before a deployment" },
    { command: "plinth migrate status --json" },
  ]),
  Command.withSubcommands([status, down, rename]),
)
