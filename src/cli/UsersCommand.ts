import { Effect } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import { isEmailAddress } from "../domain/Email.ts"
import { isSubject } from "../domain/Identity.ts"
import { Role } from "../domain/User.ts"
import { yes, yesOrTerminal } from "./Confirmation.ts"
import { flag, json } from "./Output.ts"

const actions = Effect.promise(() => import("./ManageUsers.ts"))

const user = Argument.String("user").pipe(
  Argument.withDescription("Id of a user, or e-mail where no user has such an id"),
)

const subject = (name: string, description: string) =>
  Argument.String(name).pipe(
    Argument.withDescription(description),
    Argument.filter(isSubject, () => "1 to 255 characters that are not all blank"),
  )

const listing = Command.make(
  "list",
  {
    json,
    role: Flag.Literals("role", Role.literals).pipe(
      Flag.withDescription("Only users of this role"),
      Flag.optional,
    ),
    active: flag("active", "Only active users"),
    inactive: flag("inactive", "Only deactivated users"),
    search: Flag.String("search").pipe(
      Flag.withDescription("Only users with this in their e-mail or name, in any case"),
      Flag.optional,
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many at most, 1 to 1000. Default 20"),
      Flag.filter(
        (limit) => limit >= 1 && limit <= 1000,
        () => "1 to 1000",
      ),
      Flag.withDefault(20),
    ),
    skip: Flag.Int("skip").pipe(
      Flag.withDescription("How many to pass over. Default 0"),
      Flag.filter(
        (skip) => skip >= 0 && Number.isSafeInteger(skip),
        () => "0 or more",
      ),
      Flag.withDefault(0),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.list(options)),
).pipe(
  Command.validate(({ active, inactive }) =>
    active && inactive
      ? Effect.fail(
          new CliError.ValidationError({ message: "--active and --inactive exclude each other" }),
        )
      : Effect.void,
  ),
  Command.withShortDescription("List users, newest first"),
  Command.withDescription("List users, newest first. With --json: {items,total,skip,limit}."),
  Command.withExamples([
    { command: "plinth users list --role admin --active" },
    { command: "plinth users list --search lovelace --json" },
  ]),
)

const show = Command.make("show", { user, json }, (options) =>
  Effect.flatMap(actions, (users) => users.show(options)),
).pipe(
  Command.withShortDescription("Show a user"),
  Command.withDescription("Show all that is known of a user. With --json: as the admin API does."),
  Command.withExamples([{ command: "plinth users show ada@example.com" }]),
)

const create = Command.make(
  "create",
  {
    json,
    id: subject("id", "The `sub` of the tokens that will speak for the user"),
    email: Flag.String("email").pipe(
      Flag.withDescription("E-mail; nobody else may have it"),
      Flag.filter(isEmailAddress, () => "an e-mail address"),
      Flag.optional,
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("Full name, at most 255 characters"),
      Flag.filter(
        (name) => Array.from(name.trim()).length <= 255,
        () => "at most 255 characters",
      ),
      Flag.optional,
    ),
    role: Flag.Literals("role", Role.literals).pipe(
      Flag.withDescription("Default user"),
      Flag.withDefault("user" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.create(options)),
).pipe(
  Command.withShortDescription("Create a user before his first sign-in"),
  Command.withDescription(
    "Create a user before his first sign-in, for instance the first admin. Without it he is made by his first request.",
  ),
  Command.withExamples([
    { command: "plinth users create ada --email ada@example.com --role superadmin" },
  ]),
)

const promote = Command.make(
  "promote",
  {
    user,
    json,
    role: Flag.Literals("role", ["admin", "superadmin"]).pipe(
      Flag.withDescription("What he becomes. Default admin"),
      Flag.withDefault("admin" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.promote(options)),
).pipe(
  Command.withShortDescription("Make a user an admin or a superadmin"),
  Command.withDescription(
    "Make a user an admin or a superadmin. He has the role within 2 seconds, without a new token.",
  ),
  Command.withExamples([
    { command: "plinth users promote ada@example.com" },
    { command: "plinth users promote ada --role superadmin" },
  ]),
)

const demote = Command.make(
  "demote",
  {
    user,
    json,
    role: Flag.Literals("role", ["user", "admin"]).pipe(
      Flag.withDescription("What he becomes. Default user"),
      Flag.withDefault("user" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.demote(options)),
).pipe(
  Command.withShortDescription("Take a role away from an admin"),
  Command.withDescription(
    "Take a role away from an admin or superadmin. The last active admin keeps his.",
  ),
  Command.withExamples([{ command: "plinth users demote ada@example.com" }]),
)

const activate = Command.make("activate", { user, json }, (options) =>
  Effect.flatMap(actions, (users) => users.activate(options)),
).pipe(
  Command.withShortDescription("Let a deactivated user in again"),
  Command.withDescription("Let a deactivated user in again, with all he had."),
  Command.withExamples([{ command: "plinth users activate ada@example.com" }]),
)

const deactivate = Command.make("deactivate", { user, json, yes }, (options) =>
  Effect.flatMap(actions, (users) => users.deactivate(options)),
).pipe(
  Command.validate((options) => yesOrTerminal(options.yes)),
  Command.withShortDescription("Shut a user out"),
  Command.withDescription(
    "Shut a user out, whatever token he has, within 2 seconds and everywhere. Deletes nothing: `activate` takes it back. The last active admin stays. Asks first, unless --yes is given.",
  ),
  Command.withExamples([
    { command: "plinth users deactivate ada@example.com" },
    { command: "plinth users deactivate ada --yes", description: "In a script" },
  ]),
)

const relink = Command.make(
  "relink",
  { user, to: subject("to", "The `sub` he signs in with from now on"), json, yes },
  (options) => Effect.flatMap(actions, (users) => users.relink(options)),
).pipe(
  Command.validate((options) => yesOrTerminal(options.yes)),
  Command.withShortDescription("Give a user, with all he owns, another `sub`"),
  Command.withDescription(
    "Give a user, with all he owns, another `sub`: the way out when somebody signs in with a new one and is refused because his e-mail belongs to the old one. Make sure that both are the same person. The old `sub` becomes a stranger. Asks first, unless --yes is given.",
  ),
  Command.withExamples([{ command: "plinth users relink ada@example.com 'auth0|5f7c8ec7'" }]),
)

export const command = Command.make("users").pipe(
  Command.withShortDescription("Find, create, promote, deactivate and relink users"),
  Command.withDescription(
    "Users, as an operator: no token of a user is needed, and what is changed is in the audit log. Works on the database, also while servers run; with PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN) on the service there.",
  ),
  Command.withExamples([{ command: "plinth users list" }]),
  Command.withSubcommands([listing, show, create, promote, demote, activate, deactivate, relink]),
)
