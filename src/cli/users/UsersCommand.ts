import { Effect } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import * as Bounds from "../../domain/Bounds.ts"
import { isEmailAddress } from "../../domain/Email.ts"
import { isSubject } from "../../domain/users/Identity.ts"
import { Role } from "../../domain/users/User.ts"
import { yes, requireYesOrTerminal } from "../Confirmation.ts"
import { expectedText, flag, integerFlag, json } from "../Output.ts"

const actions = Effect.promise(() => import("./ManageUsers.ts"))

const user = Argument.String("user").pipe(Argument.withDescription("Id or e-mail of the user"))

const subject = (name: string, description: string) =>
  Argument.String(name).pipe(
    Argument.withDescription(description),
    Argument.filter(isSubject, () => expectedText(Bounds.maxLength.userId)),
  )

const list = Command.make(
  "list",
  {
    json,
    role: Flag.Literals("role", Role.literals).pipe(
      Flag.withDescription("Only users with this role"),
      Flag.optional,
    ),
    active: flag("active", "Only active users"),
    inactive: flag("inactive", "Only deactivated users"),
    search: Flag.String("search").pipe(
      Flag.withDescription("Only users with this text in their e-mail or name, ignoring case"),
      Flag.optional,
    ),
    limit: integerFlag("limit", "Maximum number of users", Bounds.trustedPageSize),
    skip: integerFlag("skip", "Number of users to skip", Bounds.skip),
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
  Command.withDescription("Show a user with all fields. With --json: as the admin API does."),
  Command.withExamples([{ command: "plinth users show ada@example.com" }]),
)

const create = Command.make(
  "create",
  {
    json,
    id: subject("id", "The `sub` claim of the user's tokens"),
    email: Flag.String("email").pipe(
      Flag.withDescription("E-mail; must not belong to another user"),
      Flag.filter(isEmailAddress, () => "an e-mail address"),
      Flag.optional,
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription(`Full name, at most ${Bounds.maxLength.fullName} characters`),
      Flag.filter(
        (name) => Array.from(name.trim()).length <= Bounds.maxLength.fullName,
        () => `at most ${Bounds.maxLength.fullName} characters`,
      ),
      Flag.optional,
    ),
    role: Flag.Literals("role", Role.literals).pipe(
      Flag.withDescription("Role of the user. Default user"),
      Flag.withDefault("user" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.create(options)),
).pipe(
  Command.withShortDescription("Create a user before their first sign-in"),
  Command.withDescription(
    "Create a user before their first sign-in, for instance the first admin. Otherwise the first request of a user creates them.",
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
      Flag.withDescription("The new role. Default admin"),
      Flag.withDefault("admin" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.promote(options)),
).pipe(
  Command.withShortDescription("Make a user an admin or a superadmin"),
  Command.withDescription(
    "Make a user an admin or a superadmin. Takes effect within 2 seconds; no new token needed.",
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
      Flag.withDescription("The new role. Default user"),
      Flag.withDefault("user" as const),
    ),
  },
  (options) => Effect.flatMap(actions, (users) => users.demote(options)),
).pipe(
  Command.withShortDescription("Demote an admin or superadmin"),
  Command.withDescription(
    "Demote an admin or superadmin to a lower role. The last active admin cannot be demoted.",
  ),
  Command.withExamples([{ command: "plinth users demote ada@example.com" }]),
)

const activate = Command.make("activate", { user, json }, (options) =>
  Effect.flatMap(actions, (users) => users.activate(options)),
).pipe(
  Command.withShortDescription("Activate a deactivated user"),
  Command.withDescription(
    "Activate a deactivated user, who can then sign in again and has all their data.",
  ),
  Command.withExamples([{ command: "plinth users activate ada@example.com" }]),
)

const deactivate = Command.make("deactivate", { user, json, yes }, (options) =>
  Effect.flatMap(actions, (users) => users.deactivate(options)),
).pipe(
  Command.validate((options) => requireYesOrTerminal(options.yes)),
  Command.withShortDescription("Deactivate a user"),
  Command.withDescription(
    "Deactivate a user: within 2 seconds, every process refuses all their tokens. Deletes nothing; `plinth users activate` undoes it. The last active admin cannot be deactivated. Asks for confirmation unless --yes is given.",
  ),
  Command.withExamples([
    { command: "plinth users deactivate ada@example.com" },
    { command: "plinth users deactivate ada --yes", description: "In a script" },
  ]),
)

const relink = Command.make(
  "relink",
  { user, to: subject("to", "The `sub` that the user signs in with from now on"), json, yes },
  (options) => Effect.flatMap(actions, (users) => users.relink(options)),
).pipe(
  Command.validate((options) => requireYesOrTerminal(options.yes)),
  Command.withShortDescription("Change the `sub` of a user"),
  Command.withDescription(
    "Change the `sub` of a user, who keeps all their data. Use it when a person signs in with a new `sub` and is refused because their e-mail belongs to the old one. Make sure that both are the same person. The old `sub` no longer identifies the user. Asks for confirmation unless --yes is given.",
  ),
  Command.withExamples([{ command: "plinth users relink ada@example.com 'auth0|5f7c8ec7'" }]),
)

export const command = Command.make("users").pipe(
  Command.withShortDescription("Find, create, promote, deactivate and relink users"),
  Command.withDescription(
    "Manage users as an operator: no user token is needed, and changes are recorded in the audit log. Works on the database, even while servers run; with PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN values), on the service at that URL.",
  ),
  Command.withExamples([{ command: "plinth users list" }]),
  Command.withSubcommands([list, show, create, promote, demote, activate, deactivate, relink]),
)
