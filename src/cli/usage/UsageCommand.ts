import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as Bounds from "../../domain/Bounds.ts"
import { integerFlag, json } from "../Output.ts"

const actions = Effect.promise(() => import("./ShowUsage.ts"))

const show = Command.make(
  "show",
  {
    json,
    user: Argument.String("user").pipe(Argument.withDescription("Id or e-mail of the user")),
    days: integerFlag("days", "Number of days (UTC), including today", Bounds.days),
  },
  (options) => Effect.flatMap(actions, (usage) => usage.show(options)),
).pipe(
  Command.withShortDescription("Show the usage of a user"),
  Command.withDescription(
    "Show the usage of a user in the last days, compared with the same number of days before. Usage of the last few seconds may be missing. With --json: the shape of GET /admin/usage/summary/{user_id}.",
  ),
  Command.withExamples([
    { command: "plinth usage show ada" },
    { command: "plinth usage show ada@example.com --days 7 --json" },
  ]),
)

export const command = Command.make("usage").pipe(
  Command.withShortDescription("Show the usage of users"),
  Command.withDescription(
    "Show the usage of users as an operator: no user token is needed. Works on the database; with PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN values), on the service at that URL.",
  ),
  Command.withExamples([{ command: "plinth usage show ada@example.com" }]),
  Command.withSubcommands([show]),
)
