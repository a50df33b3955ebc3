import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import * as Repository from "../../core/sql/Repository.ts"
import { contains, fold } from "../../core/sql/Search.ts"
import type { ConflictError, ReadError, ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Timestamp } from "../../domain/Fields.ts"
import type { Page, Window } from "../../domain/Page.ts"
import { type Role, User, type UserId } from "../../domain/users/User.ts"
import { userIdColumns } from "../PersonalData.ts"

export interface UsersQuery extends Window {
  readonly is_active?: boolean
  readonly role?: Role
  /** A case-insensitive substring of e-mail or name. */
  readonly search?: string
}

/**
 * Returns the unique `email_key`, equal for e-mails that differ only in case or in Unicode normalisation. It has at
 * most 1,915 bytes; an index of PostgreSQL accepts 2,704. Folds twice, because folding turns ẞ into ß, and ß into ss.
 */
export const emailKey = (email: string | null) =>
  email === null ? null : fold(fold(email)).normalize("NFC")

/** The columns of other tables that refer to users. */
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
    /** Inserts the row. Returns false when the id or the e-mail already exists. */
    readonly insertIfAbsent: (
      row: typeof User.insert.Type,
    ) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly update: (
      id: UserId,
      patch: Parameters<Rows["update"]>[2],
    ) => Effect.Effect<User, ReadError | ConflictError>
    /** Counts a login and returns true if `iat` is newer than that of the last login. Concurrent requests count one. */
    readonly countLogin: (
      id: UserId,
      login: { readonly at: Timestamp; readonly iat: number },
    ) => Effect.Effect<boolean, ServiceUnavailableError>
    /** Locks the active admins until the transaction ends, so that two admins cannot demote each other. */
    readonly lockAdmins: Effect.Effect<
      ReadonlyArray<{ readonly id: UserId; readonly role: Role }>,
      ServiceUnavailableError
    >
    /** Locks one row until the transaction ends. */
    readonly lock: (id: UserId) => Effect.Effect<User, ReadError>
    /** Changes the id of the row and of all references. Fails with a conflict when the new id exists. */
    readonly rename: (
      user: User,
      id: UserId,
    ) => Effect.Effect<User, ConflictError | ServiceUnavailableError>
    /** Runs the effect after the outermost transaction commits, or immediately without one. */
    readonly afterCommit: (effect: Effect.Effect<void>) => Effect.Effect<void>
  }
>()("plinth/business/users/UsersRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query, dialect } = yield* Database
      const rows = yield* Repository.make(User, { table: "users", resource: "User", scope: null })
      // A transaction on SQLite locks the whole database from its start.
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

      const insertIfAbsent = (row: typeof User.insert.Type) =>
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
        insertIfAbsent,
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
