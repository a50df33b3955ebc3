import { Context, Effect, Layer } from "effect"
import { uuidV7 } from "../../core/Uuid.ts"
import { AuditLogId } from "../../domain/users/AuditLog.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import type { CurrentUser } from "../../domain/users/User.ts"
import { AuditRepo } from "./AuditRepo.ts"

/** The author of a change: a user, or an operator (CLI, RPC). */
export type Actor = Pick<CurrentUser["Service"], "id" | "email" | "role" | "actor"> | "operator"

export interface AuditEntry {
  /** The kind of change, such as `user.updated`. */
  readonly action: string
  /** One sentence to show to admins. */
  readonly description: string
  readonly resource_type: string
  readonly resource_id: string
  /** Names and roles; never a secret. */
  readonly details: Readonly<Record<string, unknown>>
}

/** Records administrative changes. */
export class Audit extends Context.Service<
  Audit,
  {
    /** Call inside the transaction of the change, so that both are committed or neither. */
    readonly record: (
      actor: Actor,
      entry: AuditEntry,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/audit/Audit") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* AuditRepo

      const record = Effect.fnUntraced(
        function* (actor: Actor, entry: AuditEntry) {
          const { caller, ip_address, request_id } = yield* RequestInfo
          yield* repo.insert({
            ...entry,
            details: caller === null ? entry.details : { ...entry.details, caller },
            ...actorColumns(actor),
            id: AuditLogId.make(uuidV7()),
            request_id,
            ip_address,
            created_at: yield* now,
          })
        },
        Effect.catchTag("ConflictError", Effect.die),
      )

      return Audit.of({ record })
    }),
  )
}

const actorColumns = (actor: Actor) =>
  actor === "operator"
    ? { actor_id: null, actor_email: null, actor_role: null, impersonator_id: null }
    : {
        actor_id: actor.id,
        actor_email: actor.email,
        actor_role: actor.role,
        impersonator_id: actor.actor,
      }
