import * as Period from "../../domain/Period.ts"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import { saturateSql, saturated } from "../../core/sql/SafeSum.ts"
import { uuidV7 } from "../../core/Uuid.ts"
import type { UsageEntry, UsageEvent } from "../../domain/usage/Usage.ts"
import type { UserId } from "../../domain/users/User.ts"
import type { UsageRepo } from "./UsageRepo.ts"

/**
 * `UsageRepo` with one statement per method: an AI call waits for one statement, not for a transaction of eight. To
 * prevent deadlocks, users are locked first (the foreign keys would lock them a moment later), and sums are written in
 * the order of their key.
 */
export const make: Effect.Effect<UsageRepo["Service"], never, SqlClient.SqlClient | Database> =
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, transaction } = yield* Database
    const sum = sql.literal(saturateSql(sql, "sum(quantity)"))
    // NUMERIC, because two sums of an earlier version may exceed 2^63.
    const total = sql.literal(
      saturateSql(sql, "CAST(usage_daily.quantity AS NUMERIC) + excluded.quantity"),
    )

    /** `ownerQuery` is a CTE named `owner` with the existing users, locked until the statement ends. */
    const write = (rows: ReadonlyArray<unknown>, ownerQuery: Statement.Fragment) =>
      query(sql<{ readonly metric: string }>`
        WITH event AS (
          SELECT * FROM jsonb_to_recordset(CAST(${JSON.stringify(rows)} AS JSONB)) AS event (
            id TEXT, source TEXT, user_id TEXT, metric TEXT, quantity BIGINT, dimension TEXT,
            estimated BOOLEAN, occurred_at TIMESTAMPTZ, day TEXT
          )
        ), ${ownerQuery}, added AS (
          INSERT INTO usage_events
            (id, source, user_id, metric, quantity, dimension, estimated, occurred_at)
          SELECT event.id, source, owner.id, metric, quantity, dimension, estimated, occurred_at
          FROM event JOIN owner ON owner.id = coalesce(event.user_id, owner.id)
          ON CONFLICT (source) DO NOTHING RETURNING id, user_id
        )
        INSERT INTO usage_daily (user_id, metric, day, dimension, quantity)
        SELECT added.user_id, metric, day, dimension, ${sum}
        FROM added JOIN event USING (id)
        GROUP BY added.user_id, metric, day, dimension
        ORDER BY added.user_id COLLATE "C", metric, day, dimension
        ON CONFLICT (user_id, metric, day, dimension)
        DO UPDATE SET quantity = ${total}
        RETURNING metric
      `)

    const append = (events: ReadonlyArray<UsageEvent>) =>
      events.length === 0
        ? Effect.void
        : Effect.asVoid(
            write(
              events.map(rowOf),
              sql`owner AS (
                SELECT id FROM users WHERE id IN (SELECT user_id FROM event) ORDER BY id FOR KEY SHARE
              )`,
            ),
          )

    const settleInOneStatement = (reservation: string, entries: ReadonlyArray<UsageEntry>) =>
      Effect.map(
        write(
          entries.map(rowOf),
          sql`present AS (
            SELECT users.id FROM usage_reservations JOIN users ON users.id = user_id
            WHERE usage_reservations.id = ${reservation} FOR KEY SHARE OF users
          ), owner AS (
            DELETE FROM usage_reservations USING present
            WHERE usage_reservations.id = ${reservation} AND user_id = present.id
            RETURNING present.id
          )`,
        ),
        (written) => written.length > 0,
      )

    /** Settles a reservation whose user was relinked while the single statement waited; its snapshot has the old id. */
    const settleInSteps = Effect.fnUntraced(function* (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) {
      const [reservationRow] = yield* query(sql<{ readonly user_id: UserId }>`
        DELETE FROM usage_reservations WHERE id = ${reservation} RETURNING user_id
      `)
      if (reservationRow !== undefined) {
        yield* append(entries.map((entry) => ({ ...entry, user_id: reservationRow.user_id })))
      }
    }, transaction)

    return {
      append,
      settle: (reservation, entries) =>
        Effect.flatMap(settleInOneStatement(reservation, entries), (isSettled) =>
          isSettled ? Effect.void : settleInSteps(reservation, entries),
        ),
    }
  })

/** Adds the row's id and the day it counts for. */
const rowOf = (entry: UsageEntry) => ({
  ...entry,
  quantity: saturated(entry.quantity),
  id: uuidV7(),
  day: Period.dayOf(entry.occurred_at),
})
