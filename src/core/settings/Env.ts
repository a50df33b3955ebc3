import * as Ai from "./providers/Ai.ts"
import * as Auth from "./Auth.ts"
import * as Database from "./Database.ts"
import * as DataDirectory from "./DataDirectory.ts"
import * as Email from "./providers/Email.ts"
import * as Jobs from "./Jobs.ts"
import * as Metrics from "./Metrics.ts"
import * as Plans from "./Plans.ts"
import * as Process from "./Process.ts"
import * as RateLimits from "./RateLimits.ts"
import * as Redis from "./Redis.ts"
import * as Rpc from "./Rpc.ts"
import * as Secrets from "./Secrets.ts"
import * as Server from "./Server.ts"
import * as Tracing from "./Tracing.ts"
import type { Problem, ValuesOf } from "./Variables.ts"

/**
 * Every environment variable that the process reads, with its valid values and its default. Each part owns its
 * variables, the rules between them (`problems`) and what follows from them (`derive`). `.env.example` documents each
 * variable for operators.
 */
export const variables = () => ({
  ...Process.variables(),
  ...Secrets.variables(),
  ...DataDirectory.variables(),
  ...Server.variables(),
  ...Database.variables(),
  ...Redis.variables(),
  ...Jobs.variables(),
  ...RateLimits.variables(),
  ...Auth.variables(),
  ...Email.variables(),
  ...Ai.variables(),
  ...Plans.variables(),
  ...Metrics.variables(),
  ...Rpc.variables(),
  ...Tracing.variables(),
})

export type Values = ValuesOf<typeof variables>

/** Checks the rules between variables. An undefined value failed to decode and is already reported. */
export const problems = (values: Partial<Values>): ReadonlyArray<Problem> => [
  ...Secrets.weak(values),
  ...Auth.weak(values),
  ...Rpc.weak(values),
  ...Metrics.weak(values),
  ...Auth.problems(values),
  ...Email.problems(values),
  ...Ai.problems(values),
  ...Secrets.problems(values),
  ...DataDirectory.problems(values),
  ...Process.problems(values),
  ...Database.problems(values),
  ...Redis.problems(values),
]

/** Adds what follows from the values. Throws if DATA_DIR cannot be used. */
export const derive = (values: Values) => {
  const secrets = Secrets.derive(values)
  const database = Database.derive(values)
  return {
    ...values,
    ...secrets,
    ...database,
    ...Server.derive(values),
    ...Jobs.derive({ ...values, ...database }),
    ...Auth.derive({ ...values, ...secrets }),
    ...Email.derive(values),
    ...Ai.derive(values),
    ...Rpc.derive(values),
  }
}
