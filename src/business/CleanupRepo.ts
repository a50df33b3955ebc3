import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import type { Batch } from "../core/InBatches.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { Timestamp } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"
import { type Expiring, tables } from "./PersonalData.ts"
import { personalColumns } from "./PersonalTable.ts"

/** Removes rows for good, by the table of `PersonalData`. */
export class CleanupRepo extends Context.Service<
  CleanupRepo,
  {
    /** The number of rows that were deleted. */
    readonly removeExpired: (
      table: Expiring,
      before: Timestamp,
      batch: Batch,
    ) => Effect.Effect<number, ServiceUnavailableError>
    /** Accounts closed before then, held until the transaction ends. */
    readonly closedAccounts: (
      before: Timestamp,
      batch: Batch,
    ) => Effect.Effect<ReadonlyArray<UserId>, ServiceUnavailableError>
    /** Deletes or clears what the tables say of these users, but for their jobs. In the transaction that is open. */
    readonly erase: (users: ReadonlyArray<UserId>) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/CleanupRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query } = yield* Database
      // A transaction on SQLite holds the whole database from its start.
      const forUpdate = sql.literal(dialect === "pg" ? "FOR UPDATE" : "")
      const names = (columns: ReadonlyArray<string>) =>
        sql.csv(columns.map((column) => sql`${sql(column)}`))

      const removeExpired: CleanupRepo["Service"]["removeExpired"] = (
        { column, key, name },
        before,
        { limit, skip },
      ) =>
        Effect.map(
          // The age stands in both: a row may be restored while this statement waits for it.
          query(sql`
            DELETE FROM ${sql(name)} WHERE ${sql(column)} < ${before} AND (${names(key)}) IN (
              SELECT ${names(key)} FROM ${sql(name)} WHERE ${sql(column)} < ${before}
              ORDER BY ${names([column, ...key])} LIMIT ${limit} OFFSET ${skip}
            ) RETURNING 1
          `),
          (removed) => removed.length,
        )

      const closedAccounts: CleanupRepo["Service"]["closedAccounts"] = (before, { limit, skip }) =>
        Effect.map(
          query(sql<{ readonly id: UserId }>`
            SELECT id FROM users WHERE closed_at < ${before}
            ORDER BY closed_at, id LIMIT ${limit} OFFSET ${skip} ${forUpdate}
          `),
          (users) => users.map(({ id }) => id),
        )

      /** Each statement is short enough for its time limit, however much an account holds. */
      const removeOf = Effect.fnUntraced(function* (
        table: string,
        { key, owner }: { readonly key: ReadonlyArray<string>; readonly owner: string },
        users: ReadonlyArray<UserId>,
      ) {
        while (true) {
          const removed = yield* query(sql`
            DELETE FROM ${sql(table)} WHERE (${names(key)}) IN (
              SELECT ${names(key)} FROM ${sql(table)} WHERE ${sql.in(owner, users)} LIMIT ${maxRowsPerStatement}
            ) RETURNING 1
          `)
          if (removed.length < maxRowsPerStatement) return
        }
      })

      const erase = Effect.fnUntraced(function* (users: ReadonlyArray<UserId>) {
        for (const [name, table] of tables.toReversed()) {
          if (table.erasure === "rows") {
            const [owner] = table.userIds
            yield* removeOf(name, { key: table.key ?? ["id"], owner }, users)
          } else if (table.erasure === "columns") {
            for (const [of, columns] of Map.groupBy(personalColumns(table), ofText)) {
              const cleared = columns.map(({ column }) => sql`${sql(column)} = NULL`)
              yield* query(sql`
                UPDATE ${sql(name)} SET ${sql.csv(cleared)}
                WHERE ${sql.literal(of)} IN ${sql.in(users)}
              `)
            }
          }
        }
        yield* query(sql`UPDATE users SET closed_at = NULL WHERE ${sql.in("id", users)}`)
      })

      return CleanupRepo.of({ removeExpired, closedAccounts, erase })
    }),
  )
}

const maxRowsPerStatement = 500

/** SQLite's coalesce takes two at least. */
const ofText = ({ of }: { readonly of: ReadonlyArray<string> }) =>
  of.length === 1 ? of.join() : `coalesce(${of.join(", ")})`
