import type { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import * as users from "./0001_users.ts"
import * as projects from "./0002_projects.ts"
import * as auditLogs from "./0003_audit_logs.ts"
import * as idempotencyKeys from "./0004_idempotency_keys.ts"
import * as jobs from "./0005_jobs.ts"
import * as closedAccounts from "./0006_closed_accounts.ts"
import * as usage from "./0007_usage.ts"
import * as idempotencyClaims from "./0008_idempotency_claims.ts"
import * as usageIndexes from "./0009_usage_indexes.ts"

/** One step of the schema: `up` takes it, `down` takes it back. Both run whole or not at all. */
export interface Migration {
  readonly up: Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>
  readonly down: Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>
}

/** In their order. Listed by hand: one that is not here does not run, and no file is loaded by name. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001_users": users,
  "0002_projects": projects,
  "0003_audit_logs": auditLogs,
  "0004_idempotency_keys": idempotencyKeys,
  "0005_jobs": jobs,
  "0006_closed_accounts": closedAccounts,
  "0007_usage": usage,
  "0008_idempotency_claims": idempotencyClaims,
  "0009_usage_indexes": usageIndexes,
}
