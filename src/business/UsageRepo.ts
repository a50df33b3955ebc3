import { Array, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { UsageEvent } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"

/** The ledger of usage, and its sums by the day (UTC), which are written together. */
export class UsageRepo extends Context.Service<
  UsageRepo,
  {
    /**
     * In the transaction that is open: those whose source is not there yet. Who is gone, since his account was linked
     * to another id, is left out and holds up nobody else.
     */
    readonly append: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/UsageRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query } = yield* Database
      // What the foreign key would lock in a moment. A transaction on SQLite holds the whole database.
      const forKeyShare = sql.literal(dialect === "pg" ? "FOR KEY SHARE" : "")

      /** Those who are there, and stay until the transaction ends. */
      const present = (events: ReadonlyArray<UsageEvent>) => {
        const ids = [...new Set(events.map(({ user_id }) => user_id))]
        return Effect.map(
          query(sql<{ readonly id: UserId }>`
            SELECT id FROM users WHERE ${sql.in("id", ids)} ORDER BY id ${forKeyShare}
          `),
          (users) => new Set(users.map(({ id }) => id)),
        )
      }

      /** The events that were not there. */
      const insert = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
        const users = yield* present(events)
        const rows = events.filter(({ user_id }) => users.has(user_id)).map(rowOf)
        if (!Array.isReadonlyArrayNonEmpty(rows)) return []
        const added = yield* query(sql<{ readonly source: string }>`
          INSERT INTO usage_events ${sql.insert(rows)} ON CONFLICT (source) DO NOTHING RETURNING source
        `)
        const sources = new Set(added.map(({ source }) => source))
        return events.filter(({ source }) => sources.has(source))
      })

      const add = (sums: Array.NonEmptyReadonlyArray<Sum>) =>
        query(sql`
          INSERT INTO usage_daily ${sql.insert(sums)}
          ON CONFLICT (user_id, metric, day, dimension)
          DO UPDATE SET quantity = usage_daily.quantity + excluded.quantity
        `)

      const append = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
        const once = [...new Map(events.map((event) => [event.source, event])).values()]
        const added = yield* Effect.forEach(Array.chunksOf(once, rowsAtOnce), insert)
        // Only now, so that all of them are taken in one order.
        const sums = sumsOf(added.flat())
        yield* Effect.forEach(Array.chunksOf(sums, rowsAtOnce), add, { discard: true })
      })

      return UsageRepo.of({ append })
    }),
  )
}

/** Of eight values each: SQLite takes 32,766 in one statement. */
const rowsAtOnce = 500

type Row = Record<string, unknown>

const rowOf = (event: UsageEvent): Row => ({ id: uuidV7(), ...event })

/** One row for each day, in an order that is the same for everybody who writes them: none waits for the other in turn. */
const sumsOf = (events: ReadonlyArray<UsageEvent>) => {
  const sums = new Map<string, Sum>()
  for (const { dimension, metric, occurred_at, quantity, user_id } of events) {
    const day = occurred_at.slice(0, 10)
    const key = JSON.stringify([user_id, metric, day, dimension])
    const known = sums.get(key)?.quantity ?? 0
    sums.set(key, { user_id, metric, day, dimension, quantity: known + quantity })
  }
  return Array.fromIterable(sums)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, sum]) => sum)
}

interface Sum extends Row {
  readonly quantity: number
}
