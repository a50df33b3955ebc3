import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import type { Batch } from "../../core/sql/InBatches.ts"
import { saturatedSum } from "../../core/sql/SafeSum.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Timestamp } from "../../domain/Fields.ts"
import type { UserId } from "../../domain/users/User.ts"
import { lockKey } from "../plans/EntitlementsRepo.ts"

/** The tokens reserved for a call, from before it starts until it is settled. */
export interface Reservation {
  readonly id: string
  readonly user_id: UserId
  readonly quantity: number
  /** The chosen model. */
  readonly dimension: string
  readonly created_at: Timestamp
  readonly expires_at: Timestamp
}

type Failure = ServiceUnavailableError

export class AiReservationsRepo extends Context.Service<
  AiReservationsRepo,
  {
    /** Returns the tokens used since the day (`2026-11-01`, UTC) plus all reserved tokens, at most 2^53 − 1. */
    readonly used: (user: UserId, since: string) => Effect.Effect<number, Failure>
    readonly insert: (reservation: Reservation) => Effect.Effect<void, Failure>
    /**
     * Inserts the reservation in one statement, if used and reserved tokens are below `limit` and no transaction holds
     * the user's lock. Returns whether it was inserted. A transaction that takes the lock meanwhile waits until the
     * statement has ended, and so counts the new reservation.
     */
    readonly insertIfBelow: (
      reservation: Reservation,
      since: string,
      limit: number,
    ) => Effect.Effect<boolean, Failure>
    readonly remove: (id: string) => Effect.Effect<void, Failure>
    readonly expired: (
      at: Timestamp,
      batch: Batch,
    ) => Effect.Effect<ReadonlyArray<Reservation>, Failure>
  }
>()("plinth/business/ai/AiReservationsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query } = yield* Database
      const timestampType = sql.literal(dialect === "pg" ? "TIMESTAMPTZ" : "TEXT")

      const sum = saturatedSum(sql)

      const usedBy = (user: UserId, since: string) => sql`(
        SELECT ${sum} FROM (
          SELECT quantity FROM usage_daily
          WHERE user_id = ${user} AND metric = 'ai_tokens' AND day >= ${since}
          UNION ALL
          SELECT quantity FROM usage_reservations
          WHERE user_id = ${user} AND metric = 'ai_tokens'
        ) AS spent
      )`

      const tryLockShared = (user: UserId) =>
        dialect === "sqlite"
          ? sql`TRUE`
          : sql`pg_try_advisory_xact_lock_shared(
              hashtextextended(${lockKey(user, "ai_tokens")}, 0)
            )`

      return AiReservationsRepo.of({
        used: (user, since) =>
          Effect.map(
            query(sql<{ readonly used: number }>`SELECT ${usedBy(user, since)} AS used`),
            ([row]) => row?.used ?? 0,
          ),
        insertIfBelow: (
          { created_at, dimension, expires_at, id, quantity, user_id },
          since,
          limit,
        ) =>
          Effect.map(
            query(sql`
              INSERT INTO usage_reservations
                (id, user_id, metric, quantity, dimension, created_at, expires_at)
              SELECT id, ${user_id}, 'ai_tokens', CAST(${quantity} AS BIGINT), ${dimension},
                CAST(${created_at} AS ${timestampType}), CAST(${expires_at} AS ${timestampType})
              FROM (SELECT ${id} AS id) AS one
              WHERE ${tryLockShared(user_id)} AND ${usedBy(user_id, since)} < CAST(${limit} AS BIGINT)
              RETURNING id
            `),
            (inserted) => inserted.length === 1,
          ),
        insert: (reservation) =>
          Effect.asVoid(
            query(
              sql`INSERT INTO usage_reservations ${sql.insert({ ...reservation, metric: "ai_tokens" })}`,
            ),
          ),
        remove: (id) => Effect.asVoid(query(sql`DELETE FROM usage_reservations WHERE id = ${id}`)),
        expired: (at, { limit, skip }) =>
          query(sql<Reservation>`
            SELECT * FROM usage_reservations WHERE expires_at <= ${at}
            ORDER BY expires_at, id LIMIT ${limit} OFFSET ${skip}
          `),
      })
    }),
  )
}
