import * as Period from "../domain/Period.ts"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import { saturateSql, saturated } from "../core/SafeSum.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { UsageEvent } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"
import type { UsageRepo } from "./UsageRepo.ts"

/** `UsageRepo` in steps, of which none waits: a transaction holds the whole database from its start. */
export const make: Effect.Effect<UsageRepo["Service"], never, SqlClient.SqlClient | Database> =
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, transaction } = yield* Database
    const total = sql.literal(saturateSql(sql, "usage_daily.quantity + excluded.quantity"))

    const present = (events: ReadonlyArray<UsageEvent>) =>
      Effect.map(
        query(sql<{ readonly id: UserId }>`
          SELECT id FROM users WHERE ${sql.in("id", [...new Set(events.map(({ user_id }) => user_id))])}
        `),
        (users) => new Set(users.map(({ id }) => id)),
      )

    /** The events that were not there. */
    const insert = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
      if (!Array.isReadonlyArrayNonEmpty(events)) return []
      const added = yield* query(sql<{ readonly source: string }>`
        INSERT INTO usage_events ${sql.insert(Array.map(events, rowOf))}
        ON CONFLICT (source) DO NOTHING RETURNING source
      `)
      const sources = new Set(added.map(({ source }) => source))
      return events.filter(({ source }) => sources.has(source))
    })

    const add = (events: ReadonlyArray<UsageEvent>) =>
      Array.isReadonlyArrayNonEmpty(events)
        ? query(sql`
            INSERT INTO usage_daily ${sql.insert(Array.map(events, sumOf))}
            ON CONFLICT (user_id, metric, day, dimension)
            DO UPDATE SET quantity = ${total}
          `)
        : Effect.void

    const appendSome = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
      const users = yield* present(events)
      const once = new Map(events.map((event) => [event.source, event]))
      const known = Array.fromIterable(once.values()).filter(({ user_id }) => users.has(user_id))
      yield* add(yield* insert(known))
    })

    const appendAll = (events: ReadonlyArray<UsageEvent>) =>
      Effect.forEach(Array.chunksOf(events, rowsAtOnce), appendSome, { discard: true })

    return {
      append: (events) => transaction(appendAll(events)),
      settle: Effect.fnUntraced(function* (reservation, entries) {
        const [taken] = yield* query(sql<{ readonly user_id: UserId }>`
          DELETE FROM usage_reservations WHERE id = ${reservation} RETURNING user_id
        `)
        if (taken === undefined) return
        yield* appendAll(entries.map((entry) => ({ ...entry, user_id: taken.user_id })))
      }, transaction),
    }
  })

/** Of eight values each: SQLite takes 32,766 in one statement. */
const rowsAtOnce = 500

type Row = Record<string, unknown>

const rowOf = (event: UsageEvent): Row => ({
  id: uuidV7(),
  ...event,
  quantity: saturated(event.quantity),
})

/** SQLite adds up those of one key by itself. */
const sumOf = ({ dimension, metric, occurred_at, quantity, user_id }: UsageEvent): Row => ({
  user_id,
  metric,
  day: Period.dayOf(occurred_at),
  dimension,
  quantity: saturated(quantity),
})
