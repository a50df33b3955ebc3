/** A rate limit: at most `limit` calls in `seconds` seconds. */
export interface Rate {
  readonly limit: number
  readonly seconds: number
}

/** Matches `<n>/<second|minute|hour|day>`. */
export const isRate = (text: string) => /^[1-9]\d{0,8}\/(?:second|minute|hour|day)$/.test(text)

/** Parses a text that `isRate` accepts. */
export const parseRate = (text: string): Rate => {
  const [limit, unit] = text.split("/")
  return { limit: Number(limit), seconds: secondsOf(unit) }
}

const secondsOf = (unit: string | undefined) => {
  switch (unit) {
    case "second":
      return 1
    case "minute":
      return 60
    case "hour":
      return 3600
    default:
      return 86_400
  }
}
