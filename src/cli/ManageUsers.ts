import { Effect, Option } from "effect"
import { ConflictError, NotFoundError } from "../domain/Errors.ts"
import { AdminUser, rankOf, type Role } from "../domain/User.ts"
import { PlinthRpc } from "../rpc/RpcClient.ts"
import { confirm } from "./Confirmation.ts"
import { explained as explainedWith } from "./Explained.ts"
import { CommandFailed, plain, print } from "./Output.ts"
import { results } from "./Results.ts"
import { list as lines, table } from "./Table.ts"

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
  const rpc = yield* PlinthRpc
  const { role, search, skip, limit, active, inactive } = options
  const page = yield* rpc("users.list", {
    skip,
    limit,
    ...(Option.isSome(role) && { role: role.value }),
    ...(Option.isSome(search) && { search: search.value }),
    ...((active || inactive) && { is_active: active }),
  })
  yield* print(options.json, results["users list"], page, formatForPeople)
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
  const rpc = yield* PlinthRpc
  const created = yield* rpc("users.create", {
    id: options.id,
    email: Option.getOrNull(options.email),
    full_name: Option.getOrNull(Option.map(options.name, (name) => name.trim())),
    role: options.role,
  })
  yield* printUser(options, created)
}, explained)

export const promote = Effect.fnUntraced(function* (options: One & { readonly role: Role }) {
  const user = yield* find(options.user)
  if (rankOf(user.role) > rankOf(options.role)) {
    return yield* new CommandFailed({
      message: `user ${plain(user.id)} is ${user.role}, which is more: plinth users demote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explained)

export const demote = Effect.fnUntraced(function* (options: One & { readonly role: Role }) {
  const user = yield* find(options.user)
  if (rankOf(user.role) < rankOf(options.role)) {
    return yield* new CommandFailed({
      message: `user ${plain(user.id)} is ${user.role}, which is less: plinth users promote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explained)

const setRole = Effect.fnUntraced(function* (options: Json & { readonly role: Role }, user: User) {
  const rpc = yield* PlinthRpc
  yield* printUser(options, yield* rpc("users.update", { id: user.id, role: options.role }))
})

export const activate = Effect.fnUntraced(function* (options: One) {
  const rpc = yield* PlinthRpc
  const { id } = yield* find(options.user)
  yield* printUser(options, yield* rpc("users.activate", { id }))
}, explained)

export const deactivate = Effect.fnUntraced(function* (options: One & { readonly yes: boolean }) {
  const rpc = yield* PlinthRpc
  const user = yield* find(options.user)
  yield* confirm(options.yes, `Shut ${nameOf(user)} out?`)
  yield* printUser(options, yield* rpc("users.deactivate", { id: user.id }))
}, explained)

interface Relink extends One {
  readonly to: string
  readonly yes: boolean
}

export const relink = Effect.fnUntraced(function* (options: Relink) {
  const rpc = yield* PlinthRpc
  const user = yield* find(options.user)
  yield* confirm(
    options.yes,
    `Let ${plain(options.to)}, and no other, sign in as ${nameOf(user)} from now on?`,
  )
  yield* printUser(options, yield* rpc("users.relink", { id: user.id, to: options.to }))
}, explained)

/** By id, or by e-mail when there is no such id. */
export const find = Effect.fnUntraced(function* (given: string) {
  const rpc = yield* PlinthRpc
  return yield* Effect.catchTag(rpc("users.get", { id: given }), "NotFoundError", (error) =>
    given.includes("@") ? rpc("users.getByEmail", { email: given }) : Effect.fail(error),
  )
})

type User = typeof AdminUser.Type

const printUser = (options: Json, user: User) => print(options.json, AdminUser, user, lines)

const nameOf = ({ id, email }: User) => plain(email === null ? id : `${id} (${email})`)

const columns = ["id", "email", "full_name", "role", "is_active", "created_at"] as const

const formatForPeople = ({ items, skip, total }: (typeof results)["users list"]["Encoded"]) => {
  if (items.length === 0) return total === 0 ? "No users" : `No users after the first ${total}`
  const rows = table(
    columns,
    items.map((item) => columns.map((column) => item[column])),
  )
  return items.length === total
    ? rows
    : `${rows}\n\n${skip + 1} to ${skip + items.length} of ${total}`
}

/** What failed, as one line that says what to do. */
export function explained<A, E extends Error, R>(self: Effect.Effect<A, E, R>) {
  return explainedWith((error) => {
    if (error instanceof NotFoundError) return `no user has the id or e-mail ${plain(error.id)}`
    return error instanceof ConflictError ? conflicts[error.reason] : undefined
  })(self)
}

const conflicts: Partial<Record<ConflictError["reason"], string>> = {
  duplicate: "a user with this id exists already: plinth users show <id>",
  email_taken: "this e-mail belongs to another user: plinth users show <email>",
  last_admin: "this is the last active admin: promote another user first",
  own_account: "nobody does this to himself",
}
