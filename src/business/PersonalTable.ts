/** The entry of one table in `PersonalData`: whose its rows are, and what becomes of them. */
export type PersonalTable = OwnRows | KeptRows | QueuedRows | ImpersonalRows

/** Rows that are a user's own: they are deleted with the account. */
interface OwnRows {
  readonly erasure: "rows"
  /** Columns with ids of users, the owner's first. Relinking changes them; exports hold the rows that they find. */
  readonly userIds: readonly [string, ...ReadonlyArray<string>]
  /** The owner's data. Exports of others, who stand in the same row, are without it. */
  readonly personal: ReadonlyArray<string>
  /** Columns that tell nothing about a person. */
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

/** Rows that tell nothing about a person. */
interface ImpersonalRows {
  readonly erasure: "none"
  readonly other: ReadonlyArray<string>
}

/** `clearedWith`: null in the rows where the first of these columns that is not null has the id of the account. */
type Fate = { readonly clearedWith: ReadonlyArray<string> } | { readonly kept: string }

/** Clean-up deletes rows when `column` is longer ago than `period`. */
export interface Expiry {
  readonly column: string
  readonly period: "24 hours" | "7 days" | "30 days"
}

interface Unlimited {
  /** Why, or until when. */
  readonly keptBecause: string
}

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
