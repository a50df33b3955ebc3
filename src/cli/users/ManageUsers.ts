import { Effect, Option } from "effect"
import { ConflictError, NotFoundError } from "../../domain/Errors.ts"
import { AdminUser, rankOf, type Role } from "../../domain/users/User.ts"
import { PlinthRpc } from "../../rpc/RpcClient.ts"
import { confirm } from "../Confirmation.ts"
import { explainErrors } from "../Explanation.ts"
import { CommandFailed, printable, print } from "../Output.ts"
import { results } from "../Results.ts"
import { keyValues, table } from "../Table.ts"

interface OutputOptions {
  readonly json: boolean
}

interface UserOptions extends OutputOptions {
  /** Id or e-mail. */
  readonly user: string
}

interface ListOptions extends OutputOptions {
  readonly role: Option.Option<Role>
  readonly active: boolean
  readonly inactive: boolean
  readonly search: Option.Option<string>
  readonly skip: number
  readonly limit: number
}

export const list = Effect.fnUntraced(function* (options: ListOptions) {
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
}, explainUserErrors)

export const show = Effect.fnUntraced(function* (options: UserOptions) {
  yield* printUser(options, yield* findUser(options.user))
}, explainUserErrors)

interface CreateOptions extends OutputOptions {
  readonly id: string
  readonly email: Option.Option<string>
  readonly name: Option.Option<string>
  readonly role: Role
}

export const create = Effect.fnUntraced(function* (options: CreateOptions) {
  const rpc = yield* PlinthRpc
  const created = yield* rpc("users.create", {
    id: options.id,
    email: Option.getOrNull(options.email),
    full_name: Option.getOrNull(Option.map(options.name, (name) => name.trim())),
    role: options.role,
  })
  yield* printUser(options, created)
}, explainUserErrors)

export const promote = Effect.fnUntraced(function* (
  options: UserOptions & { readonly role: Role },
) {
  const user = yield* findUser(options.user)
  if (rankOf(user.role) > rankOf(options.role)) {
    return yield* new CommandFailed({
      message: `user ${printable(user.id)} is ${user.role}, which is a higher role: plinth users demote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explainUserErrors)

export const demote = Effect.fnUntraced(function* (options: UserOptions & { readonly role: Role }) {
  const user = yield* findUser(options.user)
  if (rankOf(user.role) < rankOf(options.role)) {
    return yield* new CommandFailed({
      message: `user ${printable(user.id)} is ${user.role}, which is a lower role: plinth users promote --role ${options.role}`,
    })
  }
  yield* setRole(options, user)
}, explainUserErrors)

const setRole = Effect.fnUntraced(function* (
  options: OutputOptions & { readonly role: Role },
  user: User,
) {
  const rpc = yield* PlinthRpc
  yield* printUser(options, yield* rpc("users.update", { id: user.id, role: options.role }))
})

export const activate = Effect.fnUntraced(function* (options: UserOptions) {
  const rpc = yield* PlinthRpc
  const { id } = yield* findUser(options.user)
  yield* printUser(options, yield* rpc("users.activate", { id }))
}, explainUserErrors)

export const deactivate = Effect.fnUntraced(function* (
  options: UserOptions & { readonly yes: boolean },
) {
  const rpc = yield* PlinthRpc
  const user = yield* findUser(options.user)
  yield* confirm(options.yes, `Deactivate ${nameOf(user)}?`)
  yield* printUser(options, yield* rpc("users.deactivate", { id: user.id }))
}, explainUserErrors)

interface RelinkOptions extends UserOptions {
  readonly to: string
  readonly yes: boolean
}

export const relink = Effect.fnUntraced(function* (options: RelinkOptions) {
  const rpc = yield* PlinthRpc
  const user = yield* findUser(options.user)
  yield* confirm(
    options.yes,
    `Let only ${printable(options.to)} sign in as ${nameOf(user)} from now on?`,
  )
  yield* printUser(options, yield* rpc("users.relink", { id: user.id, to: options.to }))
}, explainUserErrors)

/** Finds a user by id, or by e-mail if no user has this id. */
export const findUser = Effect.fnUntraced(function* (idOrEmail: string) {
  const rpc = yield* PlinthRpc
  return yield* Effect.catchTag(rpc("users.get", { id: idOrEmail }), "NotFoundError", (error) =>
    idOrEmail.includes("@") ? rpc("users.getByEmail", { email: idOrEmail }) : Effect.fail(error),
  )
})

type User = typeof AdminUser.Type

const printUser = (options: OutputOptions, user: User) =>
  print(options.json, AdminUser, user, keyValues)

const nameOf = ({ id, email }: User) => printable(email === null ? id : `${id} (${email})`)

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

export function explainUserErrors<A, E extends Error, R>(self: Effect.Effect<A, E, R>) {
  return explainErrors((error) => {
    if (error instanceof NotFoundError) return `no user has the id or e-mail ${printable(error.id)}`
    return error instanceof ConflictError ? conflictMessages[error.reason] : undefined
  })(self)
}

const conflictMessages: Partial<Record<ConflictError["reason"], string>> = {
  duplicate: "a user with this id already exists: plinth users show <id>",
  email_taken: "another user has this e-mail: plinth users show <email>",
  last_admin: "this is the last active admin: promote another user first",
  own_account: "you cannot do this to your own account",
}
