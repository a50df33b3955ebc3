import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { json } from "./Output.ts"

const actions = Effect.promise(() => import("./ShowUsage.ts"))

const show = Command.make(
  "show",
  {
    json,
    user: Argument.String("user").pipe(Argument.withDescription("Id or e-mail of the user")),
    days: Flag.Int("days").pipe(
      Flag.withDescription("Number of days (UTC), including today, 1 to 365. Default 30"),
      Flag.filter(
        (days) => days >= 1 && days <= 365,
        () => "1 to 365",
      ),
      Flag.withDefault(30),
    ),
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
