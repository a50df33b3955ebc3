import { Data, Effect } from "effect"

/** Enough to be quick, few enough to hold no lock for long. */
const maxBatchSize = 500

/** Rows that fail one by one take a statement each: past so many, the rest is left for the next run. */
const maxFailed = 1000

export interface Batch {
  readonly limit: number
  /** The first rows that are left out: they have failed. */
  readonly skip: number
}

/** Some rows could not be worked off. The others were. */
export class RowsFailed extends Data.TaggedError("RowsFailed")<{
  readonly done: number
  readonly failed: number
  /** The first failure. */
  readonly cause: unknown
}> {
  override get message() {
    const end = this.failed < maxFailed ? "" : ", and no more were tried"
    return `${this.failed} ${this.failed === 1 ? "row" : "rows"} failed, ${this.done} done${end}`
  }
}

/**
 * Works off rows in batches. `work` takes the next ones in an order that does not change, takes them out of it, and
 * returns how many it took; when it dies it has taken none. A batch that dies is tried again in halves, until the one
 * row that fails is found and skipped. The number of rows, or `RowsFailed` at the end. When it dies of a batch without
 * rows, too, no row is to blame but the statement: then that is the defect, at once.
 */
export const inBatches = Effect.fnUntraced(function* <E, R>(
  work: (batch: Batch) => Effect.Effect<number, E, R>,
) {
  let done = 0
  let failed = 0
  let limit = maxBatchSize
  let firstCause: unknown
  while (failed < maxFailed) {
    const batch = { limit, skip: failed }
    const taken = yield* Effect.catchDefect(work(batch), (defect) =>
      Effect.sync(() => {
        firstCause ??= defect
        return null
      }),
    )
    if (taken === null && limit > 1) limit = Math.ceil(limit / 2)
    else if (taken === null) {
      if (failed === 0) yield* work({ limit: 0, skip: 0 })
      failed += 1
    } else {
      done += taken
      if (taken < limit) break
      limit = Math.min(maxBatchSize, limit * 2)
    }
  }
  return failed === 0 ? done : yield* new RowsFailed({ done, failed, cause: firstCause })
})
