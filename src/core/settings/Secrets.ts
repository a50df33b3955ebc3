import type { Redacted } from "effect"
import type * as DataDirectory from "./DataDirectory.ts"
import { localSecret } from "./LocalSecret.ts"
import type * as Process from "./Process.ts"
import { type Problem, secret, secretsIn, type ValuesOf, weakSecrets } from "./Variables.ts"

export const variables = () => ({ SECRET_KEY: secret("SECRET_KEY") })

export type Values = ValuesOf<typeof variables>

export const weak = ({ ENVIRONMENT, SECRET_KEY }: Partial<Values & Process.Values>) =>
  weakSecrets("SECRET_KEY", SECRET_KEY && secretsIn(SECRET_KEY), 32, ENVIRONMENT)

export const problems = ({
  ENVIRONMENT,
  SECRET_KEY,
}: Partial<Values & Process.Values>): ReadonlyArray<Problem> =>
  SECRET_KEY === null && ENVIRONMENT !== undefined && ENVIRONMENT !== "local"
    ? [{ name: "SECRET_KEY", message: `is required in ${ENVIRONMENT}` }]
    : []

export interface Derived {
  /** The keys in SECRET_KEY. The first key signs, all keys verify. */
  readonly secretKeys: readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>]
  /** True if the key was generated and stored in DATA_DIR, which happens only in `local`. */
  readonly secretGenerated: boolean
}

/** Throws if the generated key cannot be stored or read. */
export const derive = ({ DATA_DIR, SECRET_KEY }: Values & DataDirectory.Values): Derived => {
  const [first, ...rest] = SECRET_KEY === null ? [] : secretsIn(SECRET_KEY)
  return first === undefined
    ? { secretKeys: [localSecret(DATA_DIR)], secretGenerated: true }
    : { secretKeys: [first, ...rest], secretGenerated: false }
}
