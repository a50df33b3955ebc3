import { uuidV7 } from "../core/Uuid.ts"
import { timestampOf } from "../domain/Fields.ts"
import type { UsageEvent, UsageMetric } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"

/** Rows of one flush: a statement which PostgreSQL ends in 0.2 s, of the 4 s that it has. So many wait for no window. */
export const flushSize = 2000

/** Counts in memory at most, while the database is away: some 25 MB. */
const maxCounts = 100_000

interface Counted {
  readonly user_id: UserId
  readonly metric: UsageMetric
  readonly dimension: string
  /** Unix ms of the first: on the day of them all. */
  readonly at: number
  quantity: number
}

/** What happened since the last flush: one sum for each user, metric, dimension and day (UTC). */
export class UsageCounts {
  readonly #sums = new Map<string, Counted>()
  /** What there was no room for. */
  dropped = 0

  get size() {
    return this.#sums.size
  }

  /** On the path of every request: one text and one look into a map, 0.3 µs. */
  add(user_id: UserId, metric: UsageMetric, dimension: string, at: number, quantity: number) {
    const key = `${Math.floor(at / day)} ${metric} ${dimension}\0${user_id}`
    const known = this.#sums.get(key)
    if (known !== undefined) known.quantity += quantity
    else if (this.#sums.size < maxCounts) {
      this.#sums.set(key, { user_id, metric, dimension, at, quantity })
    } else this.dropped += quantity
  }

  /** The oldest, out of here and into the ledger. Their sources name this batch and no other. */
  take(): ReadonlyArray<UsageEvent> {
    const batch = uuidV7()
    const events: Array<UsageEvent> = []
    for (const [key, { at, dimension, metric, quantity, user_id }] of this.#sums) {
      if (events.length === flushSize) break
      this.#sums.delete(key)
      events.push({
        source: `flush:${batch}:${events.length}`,
        user_id,
        metric,
        quantity,
        dimension,
        estimated: false,
        occurred_at: timestampOf(at),
      })
    }
    return events
  }
}

const day = 86_400_000
