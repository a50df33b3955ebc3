// @effect-diagnostics asyncFunction:off -- what measures Effect is not written in it

/** One after the other: nothing else is done while one thing is measured. */
export const inTurn = <A, B>(items: Iterable<A>, run: (item: A) => Promise<B>) =>
  Array.fromAsync(items, run)

/** What each contestant made of each round, all of them in every round, after one round that warms up and does not count. */
export const alternating = async <A, B>(
  contestants: ReadonlyArray<A>,
  rounds: number,
  run: (contestant: A) => Promise<B>,
): Promise<ReadonlyArray<ReadonlyArray<B>>> => {
  const results = await inTurn(Array.from({ length: rounds + 1 }), () => inTurn(contestants, run))
  return contestants.map((_, at) => results.slice(1).flatMap((round) => round.slice(at, at + 1)))
}
