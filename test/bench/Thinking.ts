/**
 * The model's times to answer, in ms: a fifth of real ones. They differ, because calls of equal
 * duration would stay synchronised, and the benchmark would measure a queue of twenty.
 */
export const thinking = Array.from({ length: 51 }, (_, at) => 50 + 2 * at)

/** Returns the prompt for this time; no prompt is a prefix of another. */
export const promptOf = (ms: number) => `think ${String(ms).padStart(3, "0")}`
