import { type Expiry, personalColumns, type PersonalTable } from "./PersonalTable.ts"

/**
 * The inventory of personal data: every column of every table, how it is handled when a user is relinked, exported or
 * erased, and when it expires. `test/business/PersonalData.test.ts` compares it with both databases and fails when a
 * column is missing here.
 */

/** The retention of soft-deleted rows (`Repository.makeSoftDeleting`). */
const afterDeletion = { column: "deleted_at", period: "30 days" } as const

/** The time after which a closed account is erased. */
export const closedAccounts = { column: "closed_at", period: "30 days" } as const

const clearedWithUser = { clearedWith: ["id"] } as const

/**
 * A table comes after the tables it refers to, because rows are deleted in reverse order. Add a new table at the end.
 * If users cannot delete its rows, its retention is `{ keptBecause: "the account exists" }`.
 */
export const personalData = {
  users: {
    erasure: "columns",
    userIds: ["id"],
    personal: {
      email: clearedWithUser,
      email_key: clearedWithUser,
      full_name: clearedWithUser,
      avatar_url: clearedWithUser,
      // With these ids, a vendor's records would identify the user of an erased account.
      stripe_customer_id: clearedWithUser,
      apple_original_transaction_id: clearedWithUser,
      google_purchase_token: clearedWithUser,
      last_login_at: clearedWithUser,
      last_token_iat: clearedWithUser,
    },
    other: [
      "role",
      "is_active",
      "subscription_plan",
      "subscription_status",
      "login_count",
      "created_at",
      "updated_at",
      "closed_at",
    ],
    retention: { keptBecause: "Tokens of an erased account must stay refused, by its id." },
  },
  projects: {
    erasure: "rows",
    userIds: ["owner_id"],
    personal: ["name", "description"],
    other: ["id", "created_at", "updated_at", "deleted_at"],
    retention: afterDeletion,
  },
  audit_logs: {
    erasure: "columns",
    userIds: ["actor_id", "impersonator_id", "resource_id"],
    personal: {
      actor_email: { clearedWith: ["actor_id"] },
      // The address belongs to the admin, even when they impersonate the user.
      ip_address: { clearedWith: ["impersonator_id", "actor_id"] },
      details: { keptBecause: "It holds only user ids and the names of roles and fields." },
    },
    other: [
      "id",
      "actor_role",
      "action",
      "description",
      "resource_type",
      "request_id",
      "created_at",
    ],
    retention: { keptBecause: "The audit trail must stay complete." },
  },
  idempotency_keys: {
    erasure: "rows",
    userIds: ["user_id"],
    key: ["user_id", "route", "key"],
    personal: ["key", "body"],
    other: ["route", "fingerprint", "status", "created_at", "claim_id", "leased_until"],
    retention: { column: "created_at", period: "24 hours" },
  },
  user_exports: {
    erasure: "rows",
    userIds: ["user_id"],
    key: ["user_id"],
    personal: ["content"],
    other: ["created_at"],
    retention: { column: "created_at", period: "7 days" },
    notExported: "It is the export itself.",
  },
  usage_events: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["id", "source", "metric", "quantity", "dimension", "estimated", "occurred_at"],
    retention: { keptBecause: "Billing is based on this ledger. It holds amounts, no content." },
  },
  usage_daily: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["metric", "day", "dimension", "quantity"],
    retention: { keptBecause: "These are the daily sums of the ledger." },
  },
  usage_reservations: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["id", "metric", "quantity", "dimension", "created_at", "expires_at"],
    retention: { keptBecause: "Rows exist only until the call is settled, at most 20 minutes." },
  },
  // PostgreSQL stores jobs in `pgboss.job`.
  jobs: {
    erasure: "queue",
    only: "sqlite",
    personal: ["message", "unique_key", "error", "result"],
    other: [
      "id",
      "name",
      "state",
      "priority",
      "attempts",
      "max_attempts",
      "progress",
      "created_at",
      "run_at",
      "started_at",
      "finished_at",
      "leased_until",
    ],
  },
  job_schedules: { erasure: "none", other: ["name", "cron", "next_run_at"] },
  leases: { erasure: "none", other: ["name", "holder", "expires_at"] },
  migrations: { erasure: "none", other: ["id", "name", "applied_at"] },
} as const satisfies Readonly<Record<string, PersonalTable>>

export const tables: ReadonlyArray<readonly [name: string, table: PersonalTable]> =
  Object.entries<PersonalTable>(personalData)

/** All columns with user ids. */
export const userIdColumns = tables.flatMap(([name, table]) =>
  "userIds" in table ? table.userIds.map((column) => ({ table: name, column })) : [],
)

/** A table whose expired rows are deleted by clean-up. */
export interface ExpiringTable extends Expiry {
  readonly name: string
  readonly key: ReadonlyArray<string>
}

export const expiringTables: ReadonlyArray<ExpiringTable> = tables.flatMap(([name, table]) =>
  table.erasure === "rows" && "period" in table.retention
    ? [{ name, key: table.key ?? ["id"], ...table.retention }]
    : [],
)

/** Tables whose rows are part of exports. */
export const exportedTables = tables.flatMap(([name, table]) =>
  "userIds" in table && !("notExported" in table)
    ? [{ name, userIds: table.userIds, personal: personalColumns(table) }]
    : [],
)
