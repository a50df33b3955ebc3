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

/** One schema change: `up` applies it, `down` reverts it. Both run in a transaction. */
export interface Migration {
  readonly up: Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>
  readonly down: Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>
}

/** The migrations of Plinth. Numbers from 1001 on do not compile here. */
const ofPlinth: Readonly<Record<`0${number}_${string}`, Migration>> = {
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

type Digit = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/** The migrations of your product, from 1001 on. Numbers that begin with 0 are Plinth's and do not compile here. */
const ofProduct: Readonly<Record<`${Digit}${number}_${string}`, Migration>> = {}

/**
 * All migrations in the order in which they run, by ascending number. A file that is not listed here does not run.
 * Databases record migrations by name: never rename one, except with `plinth migrate rename`.
 */
export const migrations: Readonly<Record<`${number}_${string}`, Migration>> = {
  ...ofPlinth,
  ...ofProduct,
}
