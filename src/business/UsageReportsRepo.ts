import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { Day, Period } from "../domain/Period.ts"
import type { UsageMetric } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"

type Rows<A> = Effect.Effect<ReadonlyArray<A>, ServiceUnavailableError>

/** The sums of usage by the day. What reads here never reads the ledger, however long that is. */
export class UsageReportsRepo extends Context.Service<
  UsageReportsRepo,
  {
    readonly sums: (
      user: UserId,
      metrics: ReadonlyArray<UsageMetric>,
      period: Period,
    ) => Rows<{
      readonly metric: UsageMetric
      readonly dimension: string
      readonly quantity: number
    }>
    /** In order, without those on which nothing was. */
    readonly days: (
      user: UserId,
      metric: UsageMetric,
      period: Period,
    ) => Rows<{ readonly day: Day; readonly quantity: number }>
    /** Who used most of it, first. */
    readonly top: (
      metric: UsageMetric,
      period: Period,
      limit: number,
    ) => Rows<{ readonly user_id: UserId; readonly email: string | null; readonly value: number }>
  }
>()("plinth/business/UsageReportsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      // PostgreSQL adds up to a type that has no end, which is no number here.
      const sum = sql.literal("CAST(sum(quantity) AS BIGINT)")

      return UsageReportsRepo.of({
        sums: (user, metrics, { from, to }) =>
          query(sql`
            SELECT metric, dimension, ${sum} AS quantity FROM usage_daily
            WHERE user_id = ${user} AND ${sql.in("metric", metrics)}
              AND day >= ${from} AND day < ${to}
            GROUP BY metric, dimension ORDER BY metric, dimension
          `),
        days: (user, metric, { from, to }) =>
          query(sql`
            SELECT day, ${sum} AS quantity FROM usage_daily
            WHERE user_id = ${user} AND metric = ${metric} AND day >= ${from} AND day < ${to}
            GROUP BY day ORDER BY day
          `),
        top: (metric, { from, to }, limit) =>
          query(sql`
            SELECT user_id, email, ${sum} AS value
            FROM usage_daily JOIN users ON users.id = usage_daily.user_id
            WHERE metric = ${metric} AND day >= ${from} AND day < ${to}
            GROUP BY user_id, email HAVING sum(quantity) > 0
            ORDER BY value DESC, user_id LIMIT ${limit}
          `),
      })
    }),
  )
}
