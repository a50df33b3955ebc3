import { Effect } from "effect"

/**
 * Each failing item needs a statement of its own. After this many lost items, a part that fails is given up as a whole,
 * without a search for its failing items.
 */
const maxLost = 100

/**
 * Writes items together. If that dies, writes each half separately, recursively, until only the items that cause it are
 * lost. Returns their number and the first defect, `cause`. `write` must be idempotent.
 */
export const inHalves = <A, E, R>(
  items: ReadonlyArray<A>,
  write: (items: ReadonlyArray<A>) => Effect.Effect<unknown, E, R>,
): Effect.Effect<{ readonly lost: number; readonly cause: unknown }, E, R> =>
  Effect.suspend(() => {
    const result: { lost: number; cause: unknown } = { lost: 0, cause: undefined }
    const writePart = (part: ReadonlyArray<A>): Effect.Effect<unknown, E, R> =>
      Effect.catchDefect(write(part), (defect) => {
        result.cause ??= defect
        if (part.length === 1 || result.lost >= maxLost) {
          result.lost += part.length
          return Effect.void
        }
        const middle = Math.ceil(part.length / 2)
        return Effect.andThen(writePart(part.slice(0, middle)), writePart(part.slice(middle)))
      })
    return Effect.as(writePart(items), result)
  })
