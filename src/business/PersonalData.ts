import { type Expiry, personalColumns, type PersonalTable } from "./PersonalTable.ts"

/**
 * The one table of personal data: every column of every table of the schema, and what becomes of it when a user is
 * relinked, exported or erased, and when it expires. `test/business/PersonalData.test.ts` compares it with both
 * databases: it fails when a column is missing here.
 */

/** The retention of rows that users delete, with `Repository.makeSoftDeleting`. */
const afterDeletion = { column: "deleted_at", period: "30 days" } as const

/** When an account that its user closed is erased. */
export const closedAccounts = { column: "closed_at", period: "30 days" } as const

const ofUser = { clearedWith: ["id"] } as const

/**
 * A table comes after those that it refers to: rows are deleted in the opposite order. A table of yours is an entry at
 * the end; where rows cannot be deleted by users, its retention is `{ kept: "as long as the account" }`.
 */
export const personalData = {
  users: {
    erasure: "columns",
    userIds: ["id"],
    personal: {
      email: ofUser,
      email_key: ofUser,
      full_name: ofUser,
      avatar_url: ofUser,
      // With them, the vendor's records would tell who an erased account was.
      stripe_customer_id: ofUser,
      apple_original_transaction_id: ofUser,
      google_purchase_token: ofUser,
      last_login_at: ofUser,
      last_token_iat: ofUser,
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
    retention: { keptBecause: "the id, so that its tokens stay refused" },
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
      // An admin acts from their own address, also where they act as the user.
      ip_address: { clearedWith: ["impersonator_id", "actor_id"] },
      details: { kept: "ids of users at the time, and names of roles and fields" },
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
    retention: { keptBecause: "the record of who changed what" },
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
    notExported: "it is the export",
  },
  usage_events: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["id", "source", "metric", "quantity", "dimension", "estimated", "occurred_at"],
    retention: { keptBecause: "the ledger that bills are made from: amounts, and no content" },
  },
  usage_daily: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["metric", "day", "dimension", "quantity"],
    retention: { keptBecause: "the sums of the ledger" },
  },
  usage_reservations: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["id", "metric", "quantity", "dimension", "created_at", "expires_at"],
    retention: { keptBecause: "until the call is settled, at most 20 minutes" },
  },
  // On PostgreSQL: `pgboss.job`.
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

/** Every column with ids of users. */
export const userIdColumns = tables.flatMap(([name, table]) =>
  "userIds" in table ? table.userIds.map((column) => ({ table: name, column })) : [],
)

/** A table whose rows clean-up deletes when their time is over. */
export interface Expiring extends Expiry {
  readonly name: string
  readonly key: ReadonlyArray<string>
}

export const expiring: ReadonlyArray<Expiring> = tables.flatMap(([name, table]) =>
  table.erasure === "rows" && "period" in table.retention
    ? [{ name, key: table.key ?? ["id"], ...table.retention }]
    : [],
)

/** Tables whose rows exports hold. */
export const exported = tables.flatMap(([name, table]) =>
  "userIds" in table && !("notExported" in table)
    ? [{ name, userIds: table.userIds, personal: personalColumns(table) }]
    : [],
)
