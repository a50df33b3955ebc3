import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import type { Batch } from "../../core/sql/InBatches.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Timestamp } from "../../domain/Fields.ts"
import type { UserId } from "../../domain/users/User.ts"
import { type ExpiringTable, tables } from "../PersonalData.ts"
import { personalColumns } from "../PersonalTable.ts"

/** Deletes rows permanently, as `PersonalData` specifies. */
export class CleanupRepo extends Context.Service<
  CleanupRepo,
  {
    /** Deletes a batch of expired rows and returns their number. */
    readonly removeExpired: (
      table: ExpiringTable,
      before: Timestamp,
      batch: Batch,
    ) => Effect.Effect<number, ServiceUnavailableError>
    /** Returns accounts closed before the time, locked until the transaction ends. */
    readonly closedAccounts: (
      before: Timestamp,
      batch: Batch,
    ) => Effect.Effect<ReadonlyArray<UserId>, ServiceUnavailableError>
    /** Deletes or clears the users' personal data in all tables except jobs. Runs in the open transaction. */
    readonly erase: (users: ReadonlyArray<UserId>) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/privacy/CleanupRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query } = yield* Database
      // A transaction on SQLite locks the whole database from its start.
      const forUpdate = sql.literal(dialect === "pg" ? "FOR UPDATE" : "")
      const columnList = (columns: ReadonlyArray<string>) =>
        sql.csv(columns.map((column) => sql`${sql(column)}`))

      const removeExpired: CleanupRepo["Service"]["removeExpired"] = (
        { column, key, name },
        before,
        { limit, skip },
      ) =>
        Effect.map(
          // The age is checked twice: a row may be restored while this statement waits for its lock.
          query(sql`
            DELETE FROM ${sql(name)} WHERE ${sql(column)} < ${before} AND (${columnList(key)}) IN (
              SELECT ${columnList(key)} FROM ${sql(name)} WHERE ${sql(column)} < ${before}
              ORDER BY ${columnList([column, ...key])} LIMIT ${limit} OFFSET ${skip}
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

      /** Deletes in chunks, so that no statement reaches its time limit, however many rows an account has. */
      const deleteRowsOf = Effect.fnUntraced(function* (
        table: string,
        { key, owner }: { readonly key: ReadonlyArray<string>; readonly owner: string },
        users: ReadonlyArray<UserId>,
      ) {
        while (true) {
          const removed = yield* query(sql`
            DELETE FROM ${sql(table)} WHERE (${columnList(key)}) IN (
              SELECT ${columnList(key)} FROM ${sql(table)} WHERE ${sql.in(owner, users)} LIMIT ${maxRowsPerStatement}
            ) RETURNING 1
          `)
          if (removed.length < maxRowsPerStatement) return
        }
      })

      const erase = Effect.fnUntraced(function* (users: ReadonlyArray<UserId>) {
        for (const [name, table] of tables.toReversed()) {
          if (table.erasure === "rows") {
            const [owner] = table.userIds
            yield* deleteRowsOf(name, { key: table.key ?? ["id"], owner }, users)
          } else if (table.erasure === "columns") {
            for (const [owner, columns] of Map.groupBy(personalColumns(table), ownerExpression)) {
              const cleared = columns.map(({ column }) => sql`${sql(column)} = NULL`)
              yield* query(sql`
                UPDATE ${sql(name)} SET ${sql.csv(cleared)}
                WHERE ${sql.literal(owner)} IN ${sql.in(users)}
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

/** The first owner column that is not null. SQLite's `coalesce` needs at least two arguments. */
const ownerExpression = ({ ownerColumns }: { readonly ownerColumns: ReadonlyArray<string> }) =>
  ownerColumns.length === 1 ? ownerColumns.join() : `coalesce(${ownerColumns.join(", ")})`
