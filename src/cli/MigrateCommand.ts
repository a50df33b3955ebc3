import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Migrations from "../core/Migrations.ts"
import { confirm, json, print, table, yes } from "./Output.ts"

const status = Command.make("status", { json }, ({ json: asJson }) =>
  Effect.flatMap(Migrations.status(), (migrations) =>
    print(asJson, migrations, (all) =>
      table(
        ["id", "name", "applied_at"],
        all.map(({ applied_at, id, name }) => [id, name, applied_at]),
      ),
    ),
  ),
).pipe(Command.withDescription("List every migration and when it ran"))

const down = Command.make("down", { json, yes }, (options) =>
  Effect.gen(function* () {
    yield* confirm(options.yes, "This takes back the newest migration and loses what it holds.")
    const name = yield* Migrations.rollback()
    yield* print(options.json, { rolled_back: name }, () =>
      name === null ? "Nothing to roll back" : `Rolled back ${name}`,
    )
  }),
).pipe(Command.withDescription("Roll the newest migration back"))

export const command = Command.make("migrate", { json }, ({ json: asJson }) =>
  Effect.flatMap(Migrations.run(), (applied) =>
    print(asJson, { applied }, () =>
      applied.length === 0 ? "Nothing to migrate" : applied.map((name) => `Ran ${name}`).join("\n"),
    ),
  ),
).pipe(
  Command.withDescription("Run the migrations that have not run, under a lock"),
  Command.withSubcommands([status, down]),
)
