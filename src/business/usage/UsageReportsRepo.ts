import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import { sumOfParts, exactSum, type Parts, saturatedSum } from "../../core/sql/SafeSum.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Day, Period } from "../../domain/Period.ts"
import type { UsageMetric } from "../../domain/usage/Usage.ts"
import type { UserId } from "../../domain/users/User.ts"

type Rows<A> = Effect.Effect<ReadonlyArray<A>, ServiceUnavailableError>

/** An exact sum, however large. */
interface Summed {
  readonly quantity: bigint
}

interface GroupSum extends Summed {
  readonly metric: UsageMetric
  readonly dimension: string
}

interface DailySum extends Summed {
  readonly day: Day
}

/** Reads the daily sums of usage, never the ledger, so that reports stay fast however long the ledger is. */
export class UsageReportsRepo extends Context.Service<
  UsageReportsRepo,
  {
    readonly sums: (
      user: UserId,
      metrics: ReadonlyArray<UsageMetric>,
      period: Period,
    ) => Rows<GroupSum>
    /** Returns days with usage, in order. */
    readonly days: (user: UserId, metric: UsageMetric, period: Period) => Rows<DailySum>
    /** Returns users by usage, highest first. `value` is saturated. */
    readonly top: (
      metric: UsageMetric,
      period: Period,
      limit: number,
    ) => Rows<{ readonly user_id: UserId; readonly email: string | null; readonly value: number }>
  }
>()("plinth/business/usage/UsageReportsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      const parts = exactSum(sql)
      const value = saturatedSum(sql)

      return UsageReportsRepo.of({
        sums: (user, metrics, { from, to }) =>
          Effect.map(
            query(sql<Omit<GroupSum, "quantity"> & Parts>`
              SELECT metric, dimension, ${parts} FROM usage_daily
              WHERE user_id = ${user} AND ${sql.in("metric", metrics)}
                AND day >= ${from} AND day < ${to}
              GROUP BY metric, dimension ORDER BY metric, dimension
            `),
            (rows) =>
              rows.map((row) => ({
                metric: row.metric,
                dimension: row.dimension,
                quantity: sumOfParts(row),
              })),
          ),
        days: (user, metric, { from, to }) =>
          Effect.map(
            query(sql<Omit<DailySum, "quantity"> & Parts>`
              SELECT day, ${parts} FROM usage_daily
              WHERE user_id = ${user} AND metric = ${metric} AND day >= ${from} AND day < ${to}
              GROUP BY day ORDER BY day
            `),
            (rows) => rows.map((row) => ({ day: row.day, quantity: sumOfParts(row) })),
          ),
        top: (metric, { from, to }, limit) =>
          query(sql`
            SELECT user_id, email, ${value} AS value
            FROM usage_daily JOIN users ON users.id = usage_daily.user_id
            WHERE metric = ${metric} AND day >= ${from} AND day < ${to}
            GROUP BY user_id, email HAVING ${value} > 0
            ORDER BY value DESC, user_id LIMIT ${limit}
          `),
      })
    }),
  )
}
