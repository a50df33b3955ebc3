import { Effect } from "effect"

/** Enough to be quick, few enough to hold no lock for long. */
const size = 500

/** A removal of at most so many rows, again and again until one finds fewer. The number of rows in all. */
export const inBatches = Effect.fnUntraced(function* <E>(
  removal: (limit: number) => Effect.Effect<number, E>,
) {
  let total = 0
  while (true) {
    const removed = yield* removal(size)
    total += removed
    if (removed < size) return total
  }
})
