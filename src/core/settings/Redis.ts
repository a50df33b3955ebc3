import { Config, Redacted } from "effect"
import type * as Process from "./Process.ts"
import { checked, optional, type Problem, type ValuesOf } from "./Variables.ts"

export const variables = () => ({ REDIS_URL: redisUrl("REDIS_URL") })

export type Values = ValuesOf<typeof variables>

export const problems = ({
  ENVIRONMENT,
  REDIS_URL,
}: Partial<Values & Process.Values>): ReadonlyArray<Problem> =>
  ENVIRONMENT === "production" && REDIS_URL === null
    ? [{ name: "REDIS_URL", message: "is required in production" }]
    : []

/** Redacted, because it may contain a password. */
const redisUrl = (name: string) =>
  checked(
    name,
    "must be redis://<host>:<port> or rediss://<host>:<port>",
    (value) =>
      /^rediss?:\/\//i.test(value) && URL.canParse(value) && new URL(value).hostname !== "",
  ).pipe(Config.map(Redacted.make<string>), optional)
