import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import * as Repository from "../core/Repository.ts"
import { contains, fold } from "../core/Search.ts"
import type { ConflictError, ReadError, ServiceUnavailableError } from "../domain/Errors.ts"
import type { Timestamp } from "../domain/Fields.ts"
import type { Page, Window } from "../domain/Page.ts"
import { type Role, User, type UserId } from "../domain/User.ts"
import { userIdColumns } from "./PersonalData.ts"

export interface UsersQuery extends Window {
  readonly is_active?: boolean
  readonly role?: Role
  /** A substring of e-mail or name. */
  readonly search?: string
}

/**
 * E-mails are one when they look the same, whatever their case: the unique `email_key`. That of an e-mail address has
 * 1,915 bytes at most, and an index of PostgreSQL takes 2,704. Folded twice: once makes ß of ẞ, and ss of ß.
 */
export const emailKey = (email: string | null) =>
  email === null ? null : fold(fold(email)).normalize("NFC")

/** The row of the user is another one. */
const references = userIdColumns.filter(({ table }) => table !== "users")

type Rows = Repository.Repository<typeof User, null>

export class UsersRepo extends Context.Service<
  UsersRepo,
  {
    readonly get: (id: UserId) => Effect.Effect<User, ReadError>
    readonly find: (id: UserId) => Effect.Effect<User | undefined, ServiceUnavailableError>
    readonly findByEmail: (
      email: string,
    ) => Effect.Effect<User | undefined, ServiceUnavailableError>
    readonly search: (query: UsersQuery) => Effect.Effect<Page<User>, ServiceUnavailableError>
    readonly countByActivity: Effect.Effect<
      { readonly active: number; readonly inactive: number },
      ServiceUnavailableError
    >
    readonly insert: Rows["insert"]
    /** False when the id or the e-mail is there already. */
    readonly insertUnlessThere: (
      row: typeof User.insert.Type,
    ) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly update: (
      id: UserId,
      patch: Parameters<Rows["update"]>[2],
    ) => Effect.Effect<User, ReadError | ConflictError>
    /** Once for each newer `iat`, however many ask at once. False when it was counted already. */
    readonly countLogin: (
      id: UserId,
      login: { readonly at: Timestamp; readonly iat: number },
    ) => Effect.Effect<boolean, ServiceUnavailableError>
    /** The active admins. Held until the transaction ends, so that two of them cannot demote each other. */
    readonly lockAdmins: Effect.Effect<
      ReadonlyArray<{ readonly id: UserId; readonly role: Role }>,
      ServiceUnavailableError
    >
    /** One row, held until the transaction ends. */
    readonly lock: (id: UserId) => Effect.Effect<User, ReadError>
    /** The row and all that refers to it, under another id. Fails with a conflict when that id has a row. */
    readonly rename: (
      user: User,
      id: UserId,
    ) => Effect.Effect<User, ConflictError | ServiceUnavailableError>
    /** When the outermost transaction has committed; at once where there is none. */
    readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
  }
>()("plinth/business/UsersRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query, dialect } = yield* Database
      const rows = yield* Repository.make(User, { table: "users", resource: "User", scope: null })
      // A transaction on SQLite holds the whole database from its start.
      const forUpdate = sql.literal(dialect === "pg" ? "FOR UPDATE" : "")

      const get = (id: UserId) => rows.get(null, id)

      const findByEmail = (email: string) =>
        Effect.map(
          rows.list(null, { skip: 0, limit: 1 }, sql`email_key = ${emailKey(email)}`),
          ({ items }) => items[0],
        )

      const search = ({ skip, limit, is_active, role, search }: UsersQuery) => {
        const conditions = [
          ...(is_active === undefined ? [] : [sql`is_active = ${is_active}`]),
          ...(role === undefined ? [] : [sql`role = ${role}`]),
          ...(search ? [contains(sql, ["email", "full_name"], search)] : []),
        ]
        return rows.list(
          null,
          { skip, limit },
          conditions.length === 0 ? undefined : sql.and(conditions),
        )
      }

      const insertUnlessThere = (row: typeof User.insert.Type) =>
        sql`INSERT INTO users ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING id`.pipe(
          query,
          Effect.map((inserted) => inserted.length === 1),
        )

      const countLogin: UsersRepo["Service"]["countLogin"] = (id, { at, iat }) =>
        sql`
          UPDATE users
          SET last_login_at = ${at}, login_count = login_count + 1, last_token_iat = ${iat}
          WHERE id = ${id} AND (last_token_iat IS NULL OR last_token_iat < ${iat})
          RETURNING id
        `.pipe(
          query,
          Effect.map((counted) => counted.length === 1),
        )

      const lockAdmins = query(
        sql<{ readonly id: UserId; readonly role: Role }>`
          SELECT id, role FROM users
          WHERE is_active = ${true} AND role IN ('admin', 'superadmin')
          ORDER BY id ${forUpdate}
        `,
      )

      const lock = (id: UserId) =>
        dialect === "pg"
          ? Effect.flatMap(get(id), () =>
              Effect.andThen(
                query(sql`SELECT id FROM users WHERE id = ${id} ${forUpdate}`),
                get(id),
              ),
            )
          : get(id)

      const rename = Effect.fnUntraced(function* (user: User, id: UserId) {
        const { email, email_key } = user
        yield* query(sql`UPDATE users SET email_key = NULL WHERE id = ${user.id}`)
        const renamed = yield* rows.insert({ ...user, id, email, email_key })
        yield* Effect.forEach(references, ({ column, table }) =>
          query(
            sql`UPDATE ${sql(table)} SET ${sql(column)} = ${id} WHERE ${sql(column)} = ${user.id}`,
          ),
        )
        yield* query(sql`DELETE FROM users WHERE id = ${user.id}`)
        return renamed
      })

      const countByActivity = Effect.map(
        query(sql<{ readonly active: number; readonly inactive: number }>`
          SELECT
            count(CASE WHEN is_active = ${true} THEN 1 END) AS active,
            count(CASE WHEN is_active = ${false} THEN 1 END) AS inactive
          FROM users
        `),
        ([row]) => row ?? { active: 0, inactive: 0 },
      )

      return UsersRepo.of({
        get,
        find: (id) => Effect.catchTag(get(id), "NotFoundError", () => Effect.undefined),
        findByEmail,
        search,
        countByActivity,
        insert: rows.insert,
        insertUnlessThere,
        update: (id, patch) => rows.update(null, id, patch),
        countLogin,
        lockAdmins,
        lock,
        rename,
        afterCommit: sql.afterCommit,
      })
    }),
  )
}
