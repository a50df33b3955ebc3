import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now, type Timestamp } from "../../domain/Fields.ts"
import type { UserId } from "../../domain/users/User.ts"
import { exportedTables } from "../PersonalData.ts"
import type { PersonalColumn } from "../PersonalTable.ts"

type Row = Readonly<Record<string, unknown>>

/** All rows that refer to a user, by table. */
type RowsByTable = Readonly<Record<string, ReadonlyArray<Row>>>

export class ExportsRepo extends Context.Service<
  ExportsRepo,
  {
    /**
     * Reads the user's rows from every table with user ids (`PersonalData`), in one snapshot. If a row also has data of
     * other users, only their ids are included.
     */
    readonly collect: (user: UserId) => Effect.Effect<RowsByTable, ServiceUnavailableError>
    /** Stores an export and replaces the previous one. */
    readonly put: (user: UserId, content: string) => Effect.Effect<void, ServiceUnavailableError>
    readonly find: (
      user: UserId,
    ) => Effect.Effect<
      { readonly content: string; readonly created_at: Timestamp } | undefined,
      ServiceUnavailableError
    >
  }
>()("plinth/business/privacy/ExportsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query, transaction } = yield* Database

      const collect = Effect.fnUntraced(function* (user: UserId) {
        if (dialect === "pg") {
          yield* query(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`)
        }
        const rowsByTable: Record<string, ReadonlyArray<Row>> = {}
        for (const { name, personal, userIds } of exportedTables) {
          const belongsToUser = sql.or(userIds.map((column) => sql`${sql(column)} = ${user}`))
          const rows = yield* query(sql<Row>`SELECT * FROM ${sql(name)} WHERE ${belongsToUser}`)
          rowsByTable[name] = rows.map((row) => withoutDataOfOthers(user, row, personal))
        }
        return rowsByTable
      }, transaction)

      return ExportsRepo.of({
        collect,
        put: Effect.fnUntraced(function* (user_id, content) {
          const row = { user_id, content, created_at: yield* now }
          yield* query(sql`
            INSERT INTO user_exports ${sql.insert(row)}
            ON CONFLICT (user_id) DO UPDATE
            SET content = excluded.content, created_at = excluded.created_at
          `)
        }),
        find: (user) =>
          Effect.map(
            query(sql<{ readonly content: string; readonly created_at: Timestamp }>`
              SELECT content, created_at FROM user_exports WHERE user_id = ${user}
            `),
            ([row]) => row,
          ),
      })
    }),
  )
}

/** Sets personal data of other users in the row to null. */
const withoutDataOfOthers = (
  user: UserId,
  row: Row,
  personal: ReadonlyArray<PersonalColumn>,
): Row => {
  const columnsOfOthers = personal.filter(({ ownerColumns }) => ownerOf(row, ownerColumns) !== user)
  return { ...row, ...Object.fromEntries(columnsOfOthers.map(({ column }) => [column, null])) }
}

const ownerOf = (row: Row, columns: ReadonlyArray<string>) =>
  columns.map((column) => row[column]).find((id) => id !== null)
