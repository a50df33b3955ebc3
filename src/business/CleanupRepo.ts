import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { Timestamp } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"

type Removal = (before: Timestamp, limit: number) => Effect.Effect<number, ServiceUnavailableError>

/** Rows past their time. Each takes at most `limit` of them, and returns how many it took. */
export class CleanupRepo extends Context.Service<
  CleanupRepo,
  {
    readonly removeDeletedProjects: Removal
    readonly removeExports: Removal
    /** Takes out of accounts closed before then, and of the rows that name them, what says who it was. */
    readonly anonymise: Removal
  }
>()("plinth/business/CleanupRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query, transaction } = yield* Database

      const anonymise = Effect.fnUntraced(function* (closedBefore: Timestamp, limit: number) {
        const users = yield* query(sql<{ readonly id: UserId }>`
          UPDATE users SET
            email = NULL, email_key = NULL, full_name = NULL, avatar_url = NULL, closed_at = NULL
          WHERE id IN (
            SELECT id FROM users WHERE closed_at < ${closedBefore}
            ORDER BY closed_at LIMIT ${limit}
          )
          RETURNING id
        `)
        const ids = users.map(({ id }) => id)
        if (ids.length === 0) return 0
        yield* query(
          sql`UPDATE audit_logs SET actor_email = NULL, ip_address = NULL
              WHERE ${sql.in("actor_id", ids)}`,
        )
        yield* query(sql`DELETE FROM user_exports WHERE ${sql.in("user_id", ids)}`)
        return ids.length
      }, transaction)

      return CleanupRepo.of({
        removeDeletedProjects: (before, limit) =>
          Effect.map(
            query(sql`
              DELETE FROM projects WHERE id IN (
                SELECT id FROM projects WHERE deleted_at < ${before}
                ORDER BY deleted_at LIMIT ${limit}
              ) RETURNING id
            `),
            (removed) => removed.length,
          ),
        removeExports: (before, limit) =>
          Effect.map(
            query(sql`
              DELETE FROM user_exports WHERE user_id IN (
                SELECT user_id FROM user_exports WHERE created_at < ${before}
                ORDER BY created_at LIMIT ${limit}
              ) RETURNING user_id
            `),
            (removed) => removed.length,
          ),
        anonymise,
      })
    }),
  )
}
