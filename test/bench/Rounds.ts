// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code

/** Runs one item at a time, so that measurements do not overlap. */
export const inTurn = <A, B>(items: Iterable<A>, run: (item: A) => Promise<B>) =>
  Array.fromAsync(items, run)

/**
 * Returns the results of each contestant: all run in every round, in reverse order in every second
 * one, after warm-up rounds that are discarded.
 */
export const alternating = async <A, B>(
  contestants: ReadonlyArray<A>,
  rounds: number,
  run: (contestant: A) => Promise<B>,
  warmUp = 1,
): Promise<ReadonlyArray<ReadonlyArray<B>>> => {
  const results = await inTurn(
    Array.from({ length: warmUp + rounds }, (_, at) => at),
    async (at) => {
      const isReversed = at % 2 === 1
      const round = await inTurn(isReversed ? contestants.toReversed() : contestants, run)
      return isReversed ? round.toReversed() : round
    },
  )
  return contestants.map((_, at) =>
    results.slice(warmUp).flatMap((round) => round.slice(at, at + 1)),
  )
}
