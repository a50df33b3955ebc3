import { Schema } from "effect"
import { Model } from "effect/schema"
import * as Fields from "../Fields.ts"
import { Role, UserId } from "./User.ts"

export const AuditLogId = Schema.String.pipe(Schema.brand("AuditLogId"))
export type AuditLogId = typeof AuditLogId.Type

/**
 * The record of one administrative change, written in the same transaction. `actor_id` is null when an operator acted
 * through the CLI. `details` holds names and roles, never a secret.
 */
export class AuditLog extends Model.Class<AuditLog>("AuditLog")({
  id: Model.GeneratedByApp(AuditLogId),
  actor_id: Schema.NullOr(UserId),
  actor_email: Schema.NullOr(Schema.String),
  actor_role: Schema.NullOr(Role),
  impersonator_id: Schema.NullOr(UserId),
  action: Schema.String,
  description: Schema.String,
  resource_type: Schema.String,
  resource_id: Schema.String,
  details: Fields.Json,
  ip_address: Schema.NullOr(Schema.String),
  request_id: Schema.NullOr(Schema.String),
  created_at: Fields.CreatedAt,
}) {}
