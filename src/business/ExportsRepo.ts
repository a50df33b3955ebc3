import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { now, type Timestamp } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"
import { references } from "./UsersRepo.ts"

type Row = Readonly<Record<string, unknown>>

/** All rows that speak of a user, by table. */
export type Holdings = Readonly<Record<string, ReadonlyArray<Row>>>

export class ExportsRepo extends Context.Service<
  ExportsRepo,
  {
    /**
     * Complete by construction: from every table that has a user's id (`references`). As one moment has them. Who else
     * was there is told by id alone: his e-mail and his address are not the user's.
     */
    readonly collect: (user: UserId) => Effect.Effect<Holdings, ServiceUnavailableError>
    /** In place of the one before. */
    readonly put: (user: UserId, content: string) => Effect.Effect<void, ServiceUnavailableError>
    readonly find: (
      user: UserId,
    ) => Effect.Effect<
      { readonly content: string; readonly created_at: Timestamp } | undefined,
      ServiceUnavailableError
    >
  }
>()("plinth/business/ExportsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query, transaction } = yield* Database

      const columns = new Map<string, ReadonlyArray<string>>()
      for (const [table, column] of references) {
        if (table !== "user_exports") {
          columns.set(table, [...(columns.get(table) ?? []), column])
        }
      }

      const collect = Effect.fnUntraced(function* (user: UserId) {
        if (dialect === "pg") {
          yield* query(sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`)
        }
        const users = yield* query(sql<Row>`SELECT * FROM users WHERE id = ${user}`)
        const others = yield* Effect.forEach(columns, ([table, names]) =>
          Effect.map(
            query(
              sql<Row>`SELECT * FROM ${sql(table)}
                       WHERE ${sql.or(names.map((name) => sql`${sql(name)} = ${user}`))}`,
            ),
            (rows) => [table, rows.map((row) => withoutOthers(user, row))] as const,
          ),
        )
        return { users, ...Object.fromEntries(others) }
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

/** An admin acts from his own address, also where he acts as the user. */
const withoutOthers = (user: UserId, row: Row): Row => ({
  ...row,
  ...("actor_email" in row && row["actor_id"] !== user && { actor_email: null }),
  ...("ip_address" in row &&
    (row["impersonator_id"] ?? row["actor_id"]) !== user && { ip_address: null }),
})
