import * as Period from "../../domain/Period.ts"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import { saturateSql, saturated } from "../../core/sql/SafeSum.ts"
import { uuidV7 } from "../../core/Uuid.ts"
import type { UsageEvent } from "../../domain/usage/Usage.ts"
import type { UserId } from "../../domain/users/User.ts"
import type { UsageRepo } from "./UsageRepo.ts"

/** `UsageRepo` in several statements, which wait for no locks: a transaction locks the whole database at its start. */
export const make: Effect.Effect<UsageRepo["Service"], never, SqlClient.SqlClient | Database> =
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, transaction } = yield* Database
    const total = sql.literal(saturateSql(sql, "usage_daily.quantity + excluded.quantity"))

    const findExistingUsers = (events: ReadonlyArray<UsageEvent>) =>
      Effect.map(
        query(sql<{ readonly id: UserId }>`
          SELECT id FROM users WHERE ${sql.in("id", [...new Set(events.map(({ user_id }) => user_id))])}
        `),
        (users) => new Set(users.map(({ id }) => id)),
      )

    /** Inserts the events and returns the new ones. */
    const insert = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
      if (!Array.isReadonlyArrayNonEmpty(events)) return []
      const added = yield* query(sql<{ readonly source: string }>`
        INSERT INTO usage_events ${sql.insert(Array.map(events, rowOf))}
        ON CONFLICT (source) DO NOTHING RETURNING source
      `)
      const sources = new Set(added.map(({ source }) => source))
      return events.filter(({ source }) => sources.has(source))
    })

    const addToSums = (events: ReadonlyArray<UsageEvent>) =>
      Array.isReadonlyArrayNonEmpty(events)
        ? query(sql`
            INSERT INTO usage_daily ${sql.insert(Array.map(events, sumOf))}
            ON CONFLICT (user_id, metric, day, dimension)
            DO UPDATE SET quantity = ${total}
          `)
        : Effect.void

    const appendChunk = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
      const users = yield* findExistingUsers(events)
      const bySource = new Map(events.map((event) => [event.source, event]))
      const known = Array.fromIterable(bySource.values()).filter(({ user_id }) =>
        users.has(user_id),
      )
      yield* addToSums(yield* insert(known))
    })

    const appendAll = (events: ReadonlyArray<UsageEvent>) =>
      Effect.forEach(Array.chunksOf(events, maxRowsPerStatement), appendChunk, { discard: true })

    return {
      append: (events) => transaction(appendAll(events)),
      settle: Effect.fnUntraced(function* (reservation, entries) {
        const [reservationRow] = yield* query(sql<{ readonly user_id: UserId }>`
          DELETE FROM usage_reservations WHERE id = ${reservation} RETURNING user_id
        `)
        if (reservationRow === undefined) return
        yield* appendAll(entries.map((entry) => ({ ...entry, user_id: reservationRow.user_id })))
      }, transaction),
    }
  })

/** A row has eight values, and SQLite accepts 32,766 in one statement. */
const maxRowsPerStatement = 500

type Row = Record<string, unknown>

const rowOf = (event: UsageEvent): Row => ({
  id: uuidV7(),
  ...event,
  quantity: saturated(event.quantity),
})

/** Returns the daily sum that the event adds. The upsert adds up rows with the same key. */
const sumOf = ({ dimension, metric, occurred_at, quantity, user_id }: UsageEvent): Row => ({
  user_id,
  metric,
  day: Period.dayOf(occurred_at),
  dimension,
  quantity: saturated(quantity),
})
