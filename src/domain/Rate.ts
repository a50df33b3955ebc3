/** So many calls in so many seconds. */
export interface Rate {
  readonly limit: number
  readonly seconds: number
}

const units = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const

/** What `<n>/<second|minute|hour|day>` says; undefined when it says nothing. */
export const rateOf = (text: string): Rate | undefined => {
  const [, limit, unit] = /^([1-9]\d{0,8})\/(second|minute|hour|day)$/.exec(text) ?? []
  return limit === undefined ? undefined : { limit: Number(limit), seconds: secondsOf(unit) }
}

const secondsOf = (unit: string | undefined) => units[unit as keyof typeof units]
