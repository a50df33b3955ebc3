/**
 * How long the model thinks, in ms: a fifth of what real ones take. Not all alike: calls that begin together would
 * stay together, and what is measured would be a queue of twenty.
 */
export const thinking = Array.from({ length: 51 }, (_, at) => 50 + 2 * at)

/** What it is asked, to think that long: none is the beginning of another. */
export const promptOf = (ms: number) => `think ${String(ms).padStart(3, "0")}`
