const sortedOf = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)

const medianOf = (values: ReadonlyArray<number>) =>
  sortedOf(values)[Math.floor(values.length / 2)] ?? Number.NaN

/** Returns the mean of the lowest twelfth, which other programs on the machine disturb least. */
const lowOf = (values: ReadonlyArray<number>) => {
  const lowest = sortedOf(values).slice(0, Math.max(1, Math.round(values.length / 12)))
  return lowest.reduce((sum, value) => sum + value, 0) / lowest.length
}

const line = (name: string, value: string, unit: string, rest: string) =>
  process.stdout.write(`${name.padEnd(50)} ${value.padStart(8)} ${unit.padEnd(3)} (${rest})\n`)

/** Prints the median and the range of the values. */
export const report = (name: string, values: ReadonlyArray<number>, unit: string, digits = 1) => {
  const sorted = sortedOf(values)
  const at = (index: number) => (sorted[index] ?? Number.NaN).toFixed(digits)
  line(name, medianOf(values).toFixed(digits), unit, `${at(0)}..${at(sorted.length - 1)}`)
}

/** Prints the low figure of the CPU per request, and the median. */
export const reportCost = (name: string, micros: ReadonlyArray<number>) => {
  line(name, lowOf(micros).toFixed(1), "µs", `low; median ${medianOf(micros).toFixed(1)}`)
}

const shown = (value: number | undefined) => (value ?? Number.NaN).toFixed(3)

/** Prints the median of the ratios of one round, their range, and the ratio of the low figures. */
export const reportRatio = (
  name: string,
  over: ReadonlyArray<number>,
  under: ReadonlyArray<number>,
) => {
  const ratios = sortedOf(over.map((value, round) => value / (under[round] ?? Number.NaN)))
  const range = `${shown(ratios[0])}..${shown(ratios.at(-1))}`
  line(
    name,
    shown(medianOf(ratios)),
    "",
    `${range}; of the low ones ${shown(lowOf(over) / lowOf(under))}`,
  )
}
