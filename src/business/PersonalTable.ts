/** The entry of one table in `PersonalData`: who owns its rows, and how they are handled. */
export type PersonalTable = OwnedRows | RetainedRows | QueuedRows | ImpersonalRows

/** Rows that belong to a user and are deleted with the account. */
interface OwnedRows {
  readonly erasure: "rows"
  /** Columns with user ids, the owner's first. Relinking updates them; exports include rows that match any of them. */
  readonly userIds: readonly [string, ...ReadonlyArray<string>]
  /** Columns with the owner's data. Exports of other users in the same row leave them out. */
  readonly personal: ReadonlyArray<string>
  /** Columns without personal data. */
  readonly other: ReadonlyArray<string>
  readonly retention: Expiry | Unlimited
  /** The primary key. Default: `id`. */
  readonly key?: ReadonlyArray<string>
  /** The reason why exports leave the table out. */
  readonly notExported?: string
}

/** Rows that remain after the account is erased, under an id that no longer identifies a person. */
interface RetainedRows {
  readonly erasure: "columns"
  readonly userIds: OwnedRows["userIds"]
  readonly personal: Readonly<Record<string, ErasureRule>>
  readonly other: ReadonlyArray<string>
  readonly retention: Unlimited
}

/** Rows of the job queue: `JobQueue` relinks, lists and deletes the jobs of a user, on both databases. */
interface QueuedRows {
  readonly erasure: "queue"
  readonly personal: ReadonlyArray<string>
  readonly other: ReadonlyArray<string>
  /** The only database that has the table. */
  readonly only: "sqlite" | "pg"
}

/** Rows without personal data. */
interface ImpersonalRows {
  readonly erasure: "none"
  readonly other: ReadonlyArray<string>
}

/**
 * How erasure handles a column. `clearedWith`: set to null in rows where the first of these columns that is not null
 * holds the account's id. `keptBecause`: the reason why it is kept.
 */
type ErasureRule =
  | { readonly clearedWith: ReadonlyArray<string> }
  | { readonly keptBecause: string }

/** Clean-up deletes a row when the time in `column` is older than `period`. */
export interface Expiry {
  readonly column: string
  readonly period: "24 hours" | "7 days" | "30 days"
}

interface Unlimited {
  /** A sentence that says why the rows do not expire. */
  readonly keptBecause: string
}

export interface PersonalColumn {
  readonly column: string
  /** Columns with user ids. The first one that is not null identifies the owner of the data. */
  readonly ownerColumns: ReadonlyArray<string>
}

/** Returns the columns that erasure deletes or clears. */
export const personalColumns = (table: OwnedRows | RetainedRows): ReadonlyArray<PersonalColumn> =>
  table.erasure === "rows"
    ? table.personal.map((column) => ({ column, ownerColumns: [table.userIds[0]] }))
    : Object.entries(table.personal).flatMap(([column, rule]) =>
        "clearedWith" in rule ? [{ column, ownerColumns: rule.clearedWith }] : [],
      )
