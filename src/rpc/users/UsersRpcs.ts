import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import * as Bounds from "../../domain/Bounds.ts"
import { EmailAddress } from "../../domain/Email.ts"
import {
  AuthorizationError,
  ConflictError,
  NotFoundError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { verbatim } from "../../domain/Fields.ts"
import { Page, search } from "../../domain/Page.ts"
import { AdminUser, AdminUserPatch, Role, User } from "../../domain/users/User.ts"
import { method, userId, window } from "../Method.ts"

const readErrors = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const
const writeErrors = [
  ...readErrors,
  enveloped(ConflictError),
  enveloped(AuthorizationError),
] as const

/** The inputs of the methods. */
export const input = {
  list: Schema.Struct({
    ...window,
    is_active: Schema.optionalKey(Schema.Boolean),
    role: Schema.optionalKey(Role),
    search,
  }),
  byId: Schema.Struct({ id: userId }),
  getByEmail: Schema.Struct({
    email: verbatim({ max: Bounds.maxLength.email, example: "ada@example.com" }),
  }),
  create: Schema.Struct({
    id: userId,
    email: Schema.NullOr(EmailAddress).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
    full_name: User.jsonCreate.fields.full_name,
    role: Role.pipe(Schema.withDecodingDefaultKey(Effect.succeed("user" as const))),
  }),
  update: Schema.Struct({ id: userId, ...AdminUserPatch.fields }),
  relink: Schema.Struct({ id: userId, to: userId }),
}

/** Users, with the rights of an operator. Changes are in the audit log, with the caller's name. */
export class UsersRpcs extends RpcGroup.make(
  /** Returns users, newest first. */
  method("users.list", {
    input: input.list,
    success: Page(AdminUser),
    error: [enveloped(ServiceUnavailableError)],
  }),
  method("users.get", { input: input.byId, success: AdminUser, error: readErrors }),
  /** Finds a user by e-mail, ignoring case. */
  method("users.getByEmail", { input: input.getByEmail, success: AdminUser, error: readErrors }),
  /** Creates a user before their first token; `id` is the `sub` of that token. */
  method("users.create", {
    input: input.create,
    success: AdminUser,
    error: [enveloped(ConflictError), enveloped(ServiceUnavailableError)],
  }),
  /** Changes the role, the active state and the name. The last active admin cannot be demoted or deactivated. */
  method("users.update", { input: input.update, success: AdminUser, error: writeErrors }),
  method("users.activate", { input: input.byId, success: AdminUser, error: writeErrors }),
  /** Takes effect within 2 seconds, on every process. */
  method("users.deactivate", { input: input.byId, success: AdminUser, error: writeErrors }),
  /** Moves the account to another `sub`, `to`: the user signs in with it from now on and keeps all data. */
  method("users.relink", {
    input: input.relink,
    success: AdminUser,
    error: [...readErrors, enveloped(ConflictError)],
  }),
) {}
