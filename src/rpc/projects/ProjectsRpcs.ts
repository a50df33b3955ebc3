import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import {
  AuthorizationError,
  NotFoundError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { Cursor, CursorPage, Page, search } from "../../domain/Page.ts"
import { Project, ProjectId } from "../../domain/Project.ts"
import { method, window, userId } from "../Method.ts"

const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const

const byId = { owner_id: userId, id: ProjectId }

/** The inputs of the methods. */
export const input = {
  list: Schema.Struct({ owner_id: userId, ...window, search }),
  listAfter: Schema.Struct({
    owner_id: userId,
    cursor: Cursor.pipe(Schema.withDecodingDefaultKey(Effect.succeed(""))),
    limit: window.limit,
    search,
  }),
  create: Schema.Struct({ owner_id: userId, ...Project.jsonCreate.fields }),
  byId: Schema.Struct(byId),
  update: Schema.Struct({ ...byId, ...Project.jsonUpdate.fields }),
}

/** Projects of one user, `owner_id`. Projects of other users are not found. */
export class ProjectsRpcs extends RpcGroup.make(
  /** Returns projects, newest first, and their total number. */
  method("projects.list", {
    input: input.list,
    success: Page(Project.json),
    error: [unavailable],
  }),
  /** Returns the first page, or the page that follows `cursor`: pass the `next_cursor` of the previous page. */
  method("projects.listAfter", {
    input: input.listAfter,
    success: CursorPage(Project.json),
    error: [unavailable],
  }),
  method("projects.get", { input: input.byId, success: Project.json, error: readErrors }),
  /** The owner must be active, and their plan must allow another project. */
  method("projects.create", {
    input: input.create,
    success: Project.json,
    error: [...readErrors, enveloped(AuthorizationError), enveloped(QuotaExceededError)],
  }),
  /** Omitted fields stay unchanged; null clears a field. */
  method("projects.update", { input: input.update, success: Project.json, error: readErrors }),
  method("projects.remove", { input: input.byId, success: Schema.Void, error: readErrors }),
) {}
