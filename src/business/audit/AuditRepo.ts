import { Context, Layer } from "effect"
import * as Repository from "../../core/sql/Repository.ts"
import { AuditLog } from "../../domain/users/AuditLog.ts"

export class AuditRepo extends Context.Service<
  AuditRepo,
  Repository.Repository<typeof AuditLog, null>
>()("plinth/business/audit/AuditRepo") {
  static readonly layer = Layer.effect(
    this,
    Repository.make(AuditLog, { table: "audit_logs", resource: "AuditLog", scope: null }),
  )
}
