/**
 * The one table of personal data: every column of every table of the schema, and what becomes of it when a user is
 * relinked, exported or erased, and when its time is over. `test/business/PersonalData.test.ts` compares it with both
 * databases: a column that has no place here fails it.
 */

/** Rows of a user's own: they are deleted with the account. */
interface OwnRows {
  readonly erasure: "rows"
  /** Columns with ids of users, the owner's first. Relinking changes them; exports hold the rows that they find. */
  readonly userIds: readonly [string, ...ReadonlyArray<string>]
  /** The owner's data. Exports of others, who stand in the same row, are without it. */
  readonly personal: ReadonlyArray<string>
  /** Columns that say nothing of anybody. */
  readonly other: ReadonlyArray<string>
  readonly retention: Expiry | Unlimited
  /** The primary key, `id` unless told otherwise. */
  readonly key?: ReadonlyArray<string>
  /** Why exports leave it out. */
  readonly notExported?: string
}

/** Rows that outlive the account, under an id that nobody can resolve any more. */
interface KeptRows {
  readonly erasure: "columns"
  readonly userIds: OwnRows["userIds"]
  readonly personal: Readonly<Record<string, Fate>>
  readonly other: ReadonlyArray<string>
  readonly retention: Unlimited
}

/** `JobQueue` relinks, lists and forgets the jobs that name a user, on either database. */
interface QueuedRows {
  readonly erasure: "queue"
  readonly personal: ReadonlyArray<string>
  readonly other: ReadonlyArray<string>
  /** The one database that has the table. */
  readonly only: "sqlite" | "pg"
}

/** Nobody's. */
interface ImpersonalRows {
  readonly erasure: "none"
  readonly other: ReadonlyArray<string>
}

/** What erasure does with a column: null in the rows of the account that the first of `of` that is not null names. */
type Fate = { readonly clearedWith: ReadonlyArray<string> } | { readonly kept: string }

/** Clean-up deletes rows whose `column` is so long ago. */
export interface Expiry {
  readonly column: string
  readonly period: "24 hours" | "7 days" | "30 days"
}

interface Unlimited {
  /** Why, or until when. */
  readonly kept: string
}

export type PersonalTable = OwnRows | KeptRows | QueuedRows | ImpersonalRows

/** Rows that users delete, with `Repository.makeSoftDeleting`. */
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
    retention: { kept: "the id, so that its tokens stay refused" },
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
    retention: { kept: "the record of who changed what" },
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
    retention: { kept: "the ledger that bills are made from: amounts, and no content" },
  },
  usage_daily: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["metric", "day", "dimension", "quantity"],
    retention: { kept: "the sums of the ledger" },
  },
  usage_reservations: {
    erasure: "columns",
    userIds: ["user_id"],
    personal: {},
    other: ["id", "metric", "quantity", "dimension", "created_at", "expires_at"],
    retention: { kept: "until the call is settled, at most 20 minutes" },
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

export interface PersonalColumn {
  readonly column: string
  /** It is the data of the user whom the first of these columns that is not null names. */
  readonly of: ReadonlyArray<string>
}

/** Columns that erasure deletes or clears. */
export const personalColumns = (table: OwnRows | KeptRows): ReadonlyArray<PersonalColumn> =>
  table.erasure === "rows"
    ? table.personal.map((column) => ({ column, of: [table.userIds[0]] }))
    : Object.entries(table.personal).flatMap(([column, fate]) =>
        "clearedWith" in fate ? [{ column, of: fate.clearedWith }] : [],
      )

/** Tables whose rows exports hold. */
export const exported = tables.flatMap(([name, table]) =>
  "userIds" in table && !("notExported" in table)
    ? [{ name, userIds: table.userIds, personal: personalColumns(table) }]
    : [],
)
