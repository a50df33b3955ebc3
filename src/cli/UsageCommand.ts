import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { json } from "./Output.ts"

const actions = Effect.promise(() => import("./ShowUsage.ts"))

const show = Command.make(
  "show",
  {
    json,
    user: Argument.String("user").pipe(
      Argument.withDescription("Id of a user, or e-mail where no user has such an id"),
    ),
    days: Flag.Int("days").pipe(
      Flag.withDescription("The last so many days of UTC, today included, 1 to 365. Default 30"),
      Flag.filter(
        (days) => days >= 1 && days <= 365,
        () => "1 to 365",
      ),
      Flag.withDefault(30),
    ),
  },
  (options) => Effect.flatMap(actions, (usage) => usage.show(options)),
).pipe(
  Command.withShortDescription("Show what a user used"),
  Command.withDescription(
    "Show what a user used in the last days, beside as many days before. What was counted in the last seconds may be missing. With --json: as GET /admin/usage/summary/{user_id}.",
  ),
  Command.withExamples([
    { command: "plinth usage show ada" },
    { command: "plinth usage show ada@example.com --days 7 --json" },
  ]),
)

export const command = Command.make("usage").pipe(
  Command.withShortDescription("Show what users used"),
  Command.withDescription(
    "What users used, as an operator: no token of a user is needed. With PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN) of the service there.",
  ),
  Command.withExamples([{ command: "plinth usage show ada@example.com" }]),
  Command.withSubcommands([show]),
)
