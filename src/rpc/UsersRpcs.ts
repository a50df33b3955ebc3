import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import { EmailAddress } from "../domain/Email.ts"
import {
  AuthorizationError,
  ConflictError,
  NotFoundError,
  ServiceUnavailableError,
} from "../domain/Errors.ts"
import { verbatim } from "../domain/Fields.ts"
import { Page, search } from "../domain/Page.ts"
import { AdminUser, AdminUserPatch, Role, User } from "../domain/User.ts"
import { method, userId, window } from "./Method.ts"

const readErrors = [enveloped(NotFoundError), enveloped(ServiceUnavailableError)] as const
const writeErrors = [
  ...readErrors,
  enveloped(ConflictError),
  enveloped(AuthorizationError),
] as const

/** What the methods take. */
export const input = {
  list: Schema.Struct({
    ...window,
    is_active: Schema.optionalKey(Schema.Boolean),
    role: Schema.optionalKey(Role),
    search,
  }),
  one: Schema.Struct({ id: userId }),
  getByEmail: Schema.Struct({ email: verbatim({ max: 320, example: "ada@example.com" }) }),
  create: Schema.Struct({
    id: userId,
    email: Schema.NullOr(EmailAddress).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
    full_name: User.jsonCreate.fields.full_name,
    role: Role.pipe(Schema.withDecodingDefaultKey(Effect.succeed("user" as const))),
  }),
  update: Schema.Struct({ id: userId, ...AdminUserPatch.fields }),
  relink: Schema.Struct({ id: userId, to: userId }),
}

/** Users, as operators have them: what is changed is in the audit log, with the name of the caller. */
export class UsersRpcs extends RpcGroup.make(
  /** Newest first. */
  method("users.list", {
    input: input.list,
    success: Page(AdminUser),
    error: [enveloped(ServiceUnavailableError)],
  }),
  method("users.get", { input: input.one, success: AdminUser, error: readErrors }),
  /** In any case of letters. */
  method("users.getByEmail", { input: input.getByEmail, success: AdminUser, error: readErrors }),
  /** Before the first token of `id`, its `sub`. */
  method("users.create", {
    input: input.create,
    success: AdminUser,
    error: [enveloped(ConflictError), enveloped(ServiceUnavailableError)],
  }),
  /** Role, activity and name. The last active admin stays one. */
  method("users.update", { input: input.update, success: AdminUser, error: writeErrors }),
  method("users.activate", { input: input.one, success: AdminUser, error: writeErrors }),
  /** Shut out within 2 seconds, on every process. */
  method("users.deactivate", { input: input.one, success: AdminUser, error: writeErrors }),
  /** The user signs in with the `sub` `to` from now on, and keeps everything. */
  method("users.relink", {
    input: input.relink,
    success: AdminUser,
    error: [...readErrors, enveloped(ConflictError)],
  }),
) {}
