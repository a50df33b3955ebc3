import * as Period from "../domain/Period.ts"
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { Database } from "../core/Database.ts"
import { saturateSql, saturated } from "../core/SafeSum.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { UsageEntry, UsageEvent } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"
import type { UsageRepo } from "./UsageRepo.ts"

/**
 * `UsageRepo` in one statement each: a call of a model waits for one, and not for a transaction of eight. Users are
 * locked first, as the foreign keys would a moment later, and sums in the order of their key: nobody waits in a circle.
 */
export const make: Effect.Effect<UsageRepo["Service"], never, SqlClient.SqlClient | Database> =
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, transaction } = yield* Database
    const sum = sql.literal(saturateSql(sql, "sum(quantity)"))
    // A number without an end, because two sums of an earlier version may pass 2^63.
    const total = sql.literal(
      saturateSql(sql, "CAST(usage_daily.quantity AS NUMERIC) + excluded.quantity"),
    )

    /** `owned`: a query named `owner`, of the users that are there, and stay until the statement ends. */
    const write = (rows: ReadonlyArray<unknown>, owned: Statement.Fragment) =>
      query(sql<{ readonly metric: string }>`
        WITH event AS (
          SELECT * FROM jsonb_to_recordset(CAST(${JSON.stringify(rows)} AS JSONB)) AS event (
            id TEXT, source TEXT, user_id TEXT, metric TEXT, quantity BIGINT, dimension TEXT,
            estimated BOOLEAN, occurred_at TIMESTAMPTZ, day TEXT
          )
        ), ${owned}, added AS (
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

    const settleAtOnce = (reservation: string, entries: ReadonlyArray<UsageEntry>) =>
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

    /** Sees what the one statement, which began earlier, may have waited for: the user under another id. */
    const settleInSteps = Effect.fnUntraced(function* (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) {
      const [taken] = yield* query(sql<{ readonly user_id: UserId }>`
        DELETE FROM usage_reservations WHERE id = ${reservation} RETURNING user_id
      `)
      if (taken !== undefined) {
        yield* append(entries.map((entry) => ({ ...entry, user_id: taken.user_id })))
      }
    }, transaction)

    return {
      append,
      settle: (reservation, entries) =>
        Effect.flatMap(settleAtOnce(reservation, entries), (isSettled) =>
          isSettled ? Effect.void : settleInSteps(reservation, entries),
        ),
    }
  })

/** With the id of the row, and the day that it counts for. */
const rowOf = (entry: UsageEntry) => ({
  ...entry,
  quantity: saturated(entry.quantity),
  id: uuidV7(),
  day: Period.dayOf(entry.occurred_at),
})
