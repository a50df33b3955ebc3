import { Data, Effect } from "effect"

/** Large enough to be fast, small enough not to hold locks for long. */
const maxBatchSize = 500

/** Each failing row needs a statement of its own. After this many, the remaining rows are left for the next run. */
const maxFailed = 1000

export interface Batch {
  readonly limit: number
  /** The number of rows to skip from the start: they have failed. */
  readonly skip: number
}

/** Some rows could not be processed. The others were. */
export class RowsFailed extends Data.TaggedError("RowsFailed")<{
  readonly done: number
  readonly failed: number
  /** The first failure. */
  readonly cause: unknown
}> {
  override get message() {
    const end = this.failed < maxFailed ? "" : ", stopped early"
    return `${this.failed} ${this.failed === 1 ? "row" : "rows"} failed, ${this.done} done${end}`
  }
}

/**
 * Processes rows in batches. `work` takes the next `limit` rows after the first `skip` in a stable order, removes them
 * from that order, and returns their number; if it dies it must have removed none. A batch that dies is retried in
 * halves until the failing row is found and skipped. Returns the number of processed rows, or fails with `RowsFailed`
 * at the end. If `work` also dies on an empty batch, the statement is at fault and not a row: then it dies immediately.
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
    const processed = yield* Effect.catchDefect(work(batch), (defect) =>
      Effect.sync(() => {
        firstCause ??= defect
        return null
      }),
    )
    if (processed === null && limit > 1) limit = Math.ceil(limit / 2)
    else if (processed === null) {
      if (failed === 0) yield* work({ limit: 0, skip: 0 })
      failed += 1
    } else {
      done += processed
      if (processed < limit) break
      limit = Math.min(maxBatchSize, limit * 2)
    }
  }
  return failed === 0 ? done : yield* new RowsFailed({ done, failed, cause: firstCause })
})
