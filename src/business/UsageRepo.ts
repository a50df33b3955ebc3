import { Array, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import { uuidV7 } from "../core/Uuid.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { UsageEvent } from "../domain/Usage.ts"

/** The ledger of usage, and its sums by the day (UTC), which are written together. */
export class UsageRepo extends Context.Service<
  UsageRepo,
  {
    /** Those whose source is not there yet, in the transaction that is open. */
    readonly append: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/UsageRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database

      const append = Effect.fnUntraced(function* (events: ReadonlyArray<UsageEvent>) {
        const rows = Array.map(events, rowOf)
        if (!Array.isReadonlyArrayNonEmpty(rows)) return
        const added = yield* query(sql<{ readonly source: string }>`
          INSERT INTO usage_events ${sql.insert(rows)} ON CONFLICT (source) DO NOTHING RETURNING source
        `)
        const sources = new Set(added.map(({ source }) => source))
        const sums = sumsOf(events.filter(({ source }) => sources.has(source)))
        if (!Array.isReadonlyArrayNonEmpty(sums)) return
        yield* query(sql`
          INSERT INTO usage_daily ${sql.insert(sums)}
          ON CONFLICT (user_id, metric, day, dimension)
          DO UPDATE SET quantity = usage_daily.quantity + excluded.quantity
        `)
      })

      return UsageRepo.of({ append })
    }),
  )
}

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
