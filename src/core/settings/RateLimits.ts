import { Config } from "effect"
import { isRate, parseRate } from "../../domain/Rate.ts"
import { checked } from "./Variables.ts"

export const variables = () => ({
  RATE_LIMIT_DEFAULT: rate("RATE_LIMIT_DEFAULT", "60/minute"),
  RATE_LIMIT_AI: rate("RATE_LIMIT_AI", "10/minute"),
  RATE_LIMIT_AUTH: rate("RATE_LIMIT_AUTH", "5/minute"),
})

const rate = (name: string, fallback: string) =>
  checked(name, "must be <number>/<second|minute|hour|day>, like 60/minute", isRate).pipe(
    Config.withDefault(fallback),
    Config.map(parseRate),
  )
