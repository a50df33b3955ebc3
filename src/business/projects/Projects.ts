import { Context, Effect, Layer } from "effect"
import { uuidV7 } from "../../core/Uuid.ts"
import type { QuotaExceededError, ReadError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import {
  type CursorPage,
  type Page,
  type Position,
  toCursor,
  type Window,
} from "../../domain/Page.ts"
import {
  type Project,
  type ProjectCreate,
  ProjectId,
  type ProjectPatch,
} from "../../domain/Project.ts"
import type { UserId } from "../../domain/users/User.ts"
import { Entitlements, type Subscriber } from "../plans/Entitlements.ts"
import { ProjectsRepo } from "./ProjectsRepo.ts"

interface Search {
  readonly search?: string
}

/** A user's projects. Projects of other users are treated as missing. */
export class Projects extends Context.Service<
  Projects,
  {
    readonly create: (
      owner: Subscriber,
      input: ProjectCreate,
    ) => Effect.Effect<Project, QuotaExceededError | ServiceUnavailableError>
    readonly get: (owner: UserId, id: ProjectId) => Effect.Effect<Project, ReadError>
    readonly list: (
      owner: UserId,
      query: Window & Search,
    ) => Effect.Effect<Page<Project>, ServiceUnavailableError>
    readonly listAfter: (
      owner: UserId,
      query: Search & { readonly cursor: Position; readonly limit: number },
    ) => Effect.Effect<CursorPage<Project>, ServiceUnavailableError>
    readonly update: (
      owner: UserId,
      id: ProjectId,
      patch: ProjectPatch,
    ) => Effect.Effect<Project, ReadError>
    readonly remove: (owner: UserId, id: ProjectId) => Effect.Effect<void, ReadError>
  }
>()("plinth/business/projects/Projects") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* ProjectsRepo

      const { addWithinLimit } = yield* Entitlements

      const insert = (owner: UserId, input: ProjectCreate) =>
        Effect.flatMap(now, (created_at) =>
          Effect.catchTag(
            repo.insert({
              ...input,
              id: ProjectId.make(uuidV7()),
              owner_id: owner,
              created_at,
              updated_at: created_at,
            }),
            "ConflictError",
            Effect.die,
          ),
        )

      return Projects.of({
        create: (owner, input) =>
          addWithinLimit(owner, "projects", repo.count(owner.id), insert(owner.id, input)),
        get: repo.get,
        // A hot path: every list request runs this.
        list: (owner, { search, skip, limit }) =>
          repo.list(owner, { skip, limit }, repo.matching(search)),
        listAfter: (owner, { search, cursor, limit }) =>
          Effect.map(
            repo.listAfter(owner, { position: cursor, limit }, repo.matching(search)),
            ({ items, next }) => ({
              items,
              next_cursor: next === null ? null : toCursor(next),
              limit,
            }),
          ),
        update: (owner, id, patch) =>
          Effect.catchTag(repo.update(owner, id, patch), "ConflictError", Effect.die),
        remove: repo.softDelete,
      })
    }),
  )
}
