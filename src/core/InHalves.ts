import { Effect } from "effect"

/** Items that die one by one take a statement each: past so many, what is left of their part is given up with them. */
const maxLost = 100

/**
 * Writes items together. When that dies, their halves are written by themselves, until those that die are alone: they
 * are lost, and the others are not. `cause` is the first defect. Writing an item again must do nothing.
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
