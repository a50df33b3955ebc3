import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Users } from "../business/Users.ts"
import { AdminUser, Role, type User, UserId } from "../domain/User.ts"
import { confirm, json, list, print, table, UsageError, yes } from "./Output.ts"

const userArgument = (name: string) =>
  Argument.String(name).pipe(Argument.withDescription("Id or e-mail of a user"))

const user = userArgument("user")

/** By id, or by e-mail when there is no such id. */
const find = Effect.fnUntraced(function* (given: string) {
  const users = yield* Users
  return yield* Effect.catchTag(users.get(UserId.make(given)), "NotFoundError", (error) =>
    given.includes("@") ? users.getByEmail(given) : Effect.fail(error),
  )
})

const toWire = Schema.encodeSync(AdminUser)

const printUser = (asJson: boolean) => (found: User) => print(asJson, toWire(found), list)

const listUsers = Command.make(
  "list",
  {
    json,
    role: Flag.Literals("role", Role.literals).pipe(
      Flag.withDescription("Only users of this role"),
      Flag.optional,
    ),
    active: Flag.Boolean("active").pipe(
      Flag.withDescription("Only active users"),
      Flag.withDefault(false),
    ),
    inactive: Flag.Boolean("inactive").pipe(
      Flag.withDescription("Only deactivated users"),
      Flag.withDefault(false),
    ),
    search: Flag.String("search").pipe(
      Flag.withDescription("Part of e-mail or name"),
      Flag.optional,
    ),
    skip: Flag.Int("skip").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      Flag.withDefault(0),
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
      Flag.withDefault(20),
    ),
  },
  (options) =>
    Effect.gen(function* () {
      const users = yield* Users
      if (options.active && options.inactive) {
        return yield* new UsageError({ message: "--active and --inactive exclude each other" })
      }
      const page = yield* users.list({
        skip: options.skip,
        limit: options.limit,
        ...(Option.isSome(options.role) && { role: options.role.value }),
        ...(Option.isSome(options.search) && { search: options.search.value }),
        ...((options.active || options.inactive) && { is_active: options.active }),
      })
      yield* print(
        options.json,
        { ...page, items: page.items.map((item) => toWire(item)) },
        (all) =>
          table(
            ["id", "email", "full_name", "role", "active", "created_at"],
            all.items.map((item) => [
              item.id,
              item.email,
              item.full_name,
              item.role,
              item.is_active,
              item.created_at,
            ]),
          ),
      )
    }),
).pipe(Command.withDescription("List users, newest first"))

const show = Command.make("show", { user, json }, (options) =>
  Effect.flatMap(find(options.user), printUser(options.json)),
).pipe(Command.withDescription("Show a user"))

const create = Command.make(
  "create",
  {
    json,
    id: Argument.String("id").pipe(
      Argument.withDescription("The `sub` of the tokens that will speak for it"),
      Argument.withSchema(Schema.String.check(Schema.isPattern(/^[^\0]{1,255}$/))),
    ),
    email: Flag.String("email").pipe(
      Flag.withSchema(Schema.String.check(Schema.isPattern(/^[^\s@]+@[^\s@]+$/))),
      Flag.optional,
    ),
    name: Flag.String("name").pipe(Flag.withDescription("Full name"), Flag.optional),
    role: Flag.Literals("role", Role.literals).pipe(Flag.withDefault("user" as const)),
  },
  (options) =>
    Effect.gen(function* () {
      const users = yield* Users
      const created = yield* users.create({
        id: UserId.make(options.id),
        email: Option.getOrNull(options.email),
        full_name: Option.getOrNull(options.name),
        role: options.role,
      })
      yield* printUser(options.json)(created)
    }),
).pipe(Command.withDescription("Create a user before his first sign-in"))

/** A command that changes one user and shows him. */
const changing = (
  name: string,
  run: (users: Users["Service"], id: UserId) => ReturnType<Users["Service"]["activate"]>,
) =>
  Command.make(name, { user, json }, (options) =>
    Effect.gen(function* () {
      const users = yield* Users
      const found = yield* find(options.user)
      yield* printUser(options.json)(yield* run(users, found.id))
    }),
  )

const promote = Command.make(
  "promote",
  {
    user,
    json,
    role: Flag.Literals("role", ["admin", "superadmin"]).pipe(Flag.withDefault("admin" as const)),
  },
  (options) =>
    Effect.gen(function* () {
      const users = yield* Users
      const found = yield* find(options.user)
      const changed = yield* users.updateAsAdmin("operator", found.id, { role: options.role })
      yield* printUser(options.json)(changed)
    }),
).pipe(Command.withDescription("Make a user an admin or a superadmin"))

const demote = changing("demote", (users, id) =>
  users.updateAsAdmin("operator", id, { role: "user" }),
).pipe(Command.withDescription("Make an admin a user; the last active admin stays one"))

const activate = changing("activate", (users, id) => users.activate("operator", id)).pipe(
  Command.withDescription("Let a deactivated user in again"),
)

const deactivate = changing("deactivate", (users, id) => users.deactivate("operator", id)).pipe(
  Command.withDescription("Shut a user out; `activate` takes it back"),
)

const relink = Command.make(
  "relink",
  { user, to: Argument.String("to").pipe(Argument.withDescription("The new `sub`")), json, yes },
  (options) =>
    Effect.gen(function* () {
      const users = yield* Users
      const found = yield* find(options.user)
      yield* confirm(options.yes, `User ${found.id} will sign in as ${options.to} and no other.`)
      yield* printUser(options.json)(yield* users.relink(found.id, UserId.make(options.to)))
    }),
).pipe(
  Command.withDescription(
    "Move a user, with all he owns, to another `sub`: the way out when his e-mail came back under one",
  ),
)

export const command = Command.make("users").pipe(
  Command.withDescription("Users, as an operator"),
  Command.withSubcommands([listUsers, show, create, promote, demote, activate, deactivate, relink]),
)
