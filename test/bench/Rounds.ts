// @effect-diagnostics asyncFunction:off -- benchmarks are plain async code

/** Runs one item at a time, so that measurements do not overlap. */
export const inTurn = <A, B>(items: Iterable<A>, run: (item: A) => Promise<B>) =>
  Array.fromAsync(items, run)

/**
 * Returns the results of each contestant: all run in every round, after a warm-up round that is
 * discarded.
 */
export const alternating = async <A, B>(
  contestants: ReadonlyArray<A>,
  rounds: number,
  run: (contestant: A) => Promise<B>,
): Promise<ReadonlyArray<ReadonlyArray<B>>> => {
  const results = await inTurn(Array.from({ length: rounds + 1 }), () => inTurn(contestants, run))
  return contestants.map((_, at) => results.slice(1).flatMap((round) => round.slice(at, at + 1)))
}
