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

/** The migrations of Plinth. A number from 1001 on does not compile here. */
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

/** The migrations of your product, from 1001 on. A number that begins with 0 is Plinth's, and does not compile here. */
const ofProduct: Readonly<Record<`${Digit}${number}_${string}`, Migration>> = {}

/**
 * By rising numbers, which is the order in which they run. Listed by hand: one that is not here does not run, and no
 * file is loaded by name. What has run is known by its name: never change it, but with `plinth migrate rename`.
 */
export const migrations: Readonly<Record<`${number}_${string}`, Migration>> = {
  ...ofPlinth,
  ...ofProduct,
}
