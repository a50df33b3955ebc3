/** Prints the median and the range of the values. */
export const report = (name: string, values: ReadonlyArray<number>, unit: string, digits = 1) => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => (sorted[index] ?? Number.NaN).toFixed(digits)
  const median = at(Math.floor(sorted.length / 2))
  process.stdout.write(
    `${name.padEnd(34)} ${median.padStart(8)} ${unit.padEnd(3)} (${at(0)}..${at(sorted.length - 1)})\n`,
  )
}
