import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import { saturatedSum } from "../../core/sql/SafeSum.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Limited } from "../../domain/Plan.ts"
import type { UsageMetric } from "../../domain/usage/Usage.ts"
import type { UserId } from "../../domain/users/User.ts"

/** Returns the name of the lock that is held while something is added for one user. */
export const lockKey = (user: UserId, key: Limited) => JSON.stringify([key, user])

export class EntitlementsRepo extends Context.Service<
  EntitlementsRepo,
  {
    /** Takes the lock, which the transaction holds until it ends. Waits while another transaction holds it. */
    readonly lock: (user: UserId, key: Limited) => Effect.Effect<void, ServiceUnavailableError>
    /** Returns the usage since the day (`2026-11-01`, UTC), at most 2^53 − 1. */
    readonly usedSince: (
      user: UserId,
      metric: UsageMetric,
      day: string,
    ) => Effect.Effect<number, ServiceUnavailableError>
  }
>()("plinth/business/plans/EntitlementsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query } = yield* Database
      const used = saturatedSum(sql)

      return EntitlementsRepo.of({
        usedSince: (user, metric, day) =>
          Effect.map(
            query(sql<{ readonly used: number }>`
              SELECT ${used} AS used FROM usage_daily
              WHERE user_id = ${user} AND metric = ${metric} AND day >= ${day}
            `),
            ([row]) => row?.used ?? 0,
          ),
        // A transaction on SQLite locks the whole database from its start.
        lock: (user, key) =>
          dialect === "sqlite"
            ? Effect.void
            : Effect.asVoid(
                query(sql`SELECT pg_advisory_xact_lock(
                  hashtextextended(${lockKey(user, key)}, 0)
                )`),
              ),
      })
    }),
  )
}
