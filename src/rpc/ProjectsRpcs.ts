import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import {
  AuthorizationError,
  NotFoundError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../domain/Errors.ts"
import { Cursor, CursorPage, Page, search } from "../domain/Page.ts"
import { Project, ProjectId } from "../domain/Project.ts"
import { method, window, userId } from "./Method.ts"

const unavailable = enveloped(ServiceUnavailableError)
const readErrors = [enveloped(NotFoundError), unavailable] as const

const one = { owner_id: userId, id: ProjectId }

/** What the methods take. */
export const input = {
  list: Schema.Struct({ owner_id: userId, ...window, search }),
  listAfter: Schema.Struct({
    owner_id: userId,
    cursor: Cursor.pipe(Schema.withDecodingDefaultKey(Effect.succeed(""))),
    limit: window.limit,
    search,
  }),
  create: Schema.Struct({ owner_id: userId, ...Project.jsonCreate.fields }),
  one: Schema.Struct(one),
  update: Schema.Struct({ ...one, ...Project.jsonUpdate.fields }),
}

/** Projects of a user. Those of others do not exist here. */
export class ProjectsRpcs extends RpcGroup.make(
  /** Newest first, with the total. */
  method("projects.list", {
    input: input.list,
    success: Page(Project.json),
    error: [unavailable],
  }),
  /** Page after page: without a cursor the first, then the `next_cursor` of each. */
  method("projects.listAfter", {
    input: input.listAfter,
    success: CursorPage(Project.json),
    error: [unavailable],
  }),
  method("projects.get", { input: input.one, success: Project.json, error: readErrors }),
  /** Within the plan of its owner, who must be active. */
  method("projects.create", {
    input: input.create,
    success: Project.json,
    error: [...readErrors, enveloped(AuthorizationError), enveloped(QuotaExceededError)],
  }),
  /** A field left out is kept; null clears it. */
  method("projects.update", { input: input.update, success: Project.json, error: readErrors }),
  method("projects.remove", { input: input.one, success: Schema.Void, error: readErrors }),
) {}
