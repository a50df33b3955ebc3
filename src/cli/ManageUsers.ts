import { Effect, Option, Schema } from "effect"
import { Users } from "../business/Users.ts"
import {
  type AuthorizationError,
  type ConflictError,
  NotFoundError,
  type ServiceUnavailableError,
} from "../domain/Errors.ts"
import { AdminUser, type Role, type User, UserId } from "../domain/User.ts"
import { confirm } from "./Confirmation.ts"
import { CommandFailed, list as lines, plain, print, table } from "./Output.ts"

interface Json {
  readonly json: boolean
}

/** One user, by id or e-mail. */
interface One extends Json {
  readonly user: string
}

interface Listing extends Json {
  readonly role: Option.Option<Role>
  readonly active: boolean
  readonly inactive: boolean
  readonly search: Option.Option<string>
  readonly skip: number
  readonly limit: number
}

export const list = Effect.fnUntraced(function* (options: Listing) {
  const users = yield* Users
  const { role, search, skip, limit, active, inactive } = options
  const page = yield* users.list({
    skip,
    limit,
    ...(Option.isSome(role) && { role: role.value }),
    ...(Option.isSome(search) && { search: search.value }),
    ...((active || inactive) && { is_active: active }),
  })
  yield* print(options.json, { ...page, items: page.items.map((user) => toWire(user)) }, people)
}, explained)

export const show = Effect.fnUntraced(function* (options: One) {
  yield* printUser(options, yield* find(options.user))
}, explained)

interface Create extends Json {
  readonly id: string
  readonly email: Option.Option<string>
  readonly name: Option.Option<string>
  readonly role: Role
}

export const create = Effect.fnUntraced(function* (options: Create) {
  const users = yield* Users
  const created = yield* users.create({
    id: UserId.make(options.id),
    email: Option.getOrNull(options.email),
    full_name: Option.getOrNull(Option.map(options.name, (name) => name.trim())),
    role: options.role,
  })
  yield* printUser(options, created)
}, explained)

const ranks: Record<Role, number> = { user: 0, admin: 1, superadmin: 2 }

export const promote = Effect.fnUntraced(function* (options: One & { readonly role: Role }) {
  const user = yield* find(options.user)
  if (ranks[user.role] > ranks[options.role]) {
    return yield* new CommandFailed({
      message: `user ${plain(user.id)} is ${user.role}, which is more: plinth users demote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explained)

export const demote = Effect.fnUntraced(function* (options: One & { readonly role: Role }) {
  const user = yield* find(options.user)
  if (ranks[user.role] < ranks[options.role]) {
    return yield* new CommandFailed({
      message: `user ${plain(user.id)} is ${user.role}, which is less: plinth users promote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explained)

const setRole = Effect.fnUntraced(function* (options: Json & { readonly role: Role }, user: User) {
  const users = yield* Users
  yield* printUser(options, yield* users.updateAsAdmin("operator", user.id, { role: options.role }))
})

export const activate = Effect.fnUntraced(function* (options: One) {
  const users = yield* Users
  const { id } = yield* find(options.user)
  yield* printUser(options, yield* users.activate("operator", id))
}, explained)

export const deactivate = Effect.fnUntraced(function* (options: One & { readonly yes: boolean }) {
  const users = yield* Users
  const user = yield* find(options.user)
  yield* confirm(options.yes, `Shut ${nameOf(user)} out?`)
  yield* printUser(options, yield* users.deactivate("operator", user.id))
}, explained)

interface Relink extends One {
  readonly to: string
  readonly yes: boolean
}

export const relink = Effect.fnUntraced(function* (options: Relink) {
  const users = yield* Users
  const user = yield* find(options.user)
  yield* confirm(
    options.yes,
    `Let ${plain(options.to)}, and no other, sign in as ${nameOf(user)} from now on?`,
  )
  yield* printUser(options, yield* users.relink(user.id, UserId.make(options.to)))
}, explained)

/** By id, or by e-mail when there is no such id. */
export const find = Effect.fnUntraced(function* (given: string) {
  const users = yield* Users
  return yield* Effect.catchTag(users.get(UserId.make(given)), "NotFoundError", (error) =>
    given.includes("@") ? users.getByEmail(given) : Effect.fail(error),
  )
})

const toWire = Schema.encodeSync(AdminUser)

const printUser = (options: Json, user: User) => print(options.json, toWire(user), lines)

const nameOf = ({ id, email }: User) => plain(email === null ? id : `${id} (${email})`)

const columns = ["id", "email", "full_name", "role", "is_active", "created_at"] as const

const people = (page: {
  readonly items: ReadonlyArray<typeof AdminUser.Encoded>
  readonly total: number
  readonly skip: number
}) => {
  const { items, skip, total } = page
  if (items.length === 0) return total === 0 ? "No users" : `No users after the first ${total}`
  const rows = table(
    columns,
    items.map((item) => columns.map((column) => item[column])),
  )
  return items.length === total
    ? rows
    : `${rows}\n\n${skip + 1} to ${skip + items.length} of ${total}`
}

type Expected = NotFoundError | ConflictError | AuthorizationError | ServiceUnavailableError

/** What failed, as one line that says what to do. */
export function explained<A, E, R>(self: Effect.Effect<A, E | Expected, R>) {
  return Effect.mapError(self, (error) =>
    isExpected(error) ? new CommandFailed({ message: explanation(error) }) : error,
  )
}

const isExpected = (error: unknown): error is Expected =>
  typeof error === "object" && error !== null && "_tag" in error && String(error._tag) in expected

const expected = {
  NotFoundError: true,
  ConflictError: true,
  AuthorizationError: true,
  ServiceUnavailableError: true,
} satisfies Record<Expected["_tag"], true>

const explanation = (error: Expected) => {
  if (error instanceof NotFoundError) return `no user has the id or e-mail ${plain(error.id)}`
  return error._tag === "ConflictError" ? (conflicts[error.reason] ?? error.message) : error.message
}

const conflicts: Partial<Record<ConflictError["reason"], string>> = {
  duplicate: "a user with this id exists already: plinth users show <id>",
  email_taken: "this e-mail belongs to another user: plinth users show <email>",
  last_admin: "this is the last active admin: promote another user first",
  own_account: "nobody does this to himself",
}
