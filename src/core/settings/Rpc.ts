import type { Redacted } from "effect"
import type * as Process from "./Process.ts"
import { secret, secretsIn, type ValuesOf, weakSecrets } from "./Variables.ts"

export const variables = () => ({ RPC_TOKEN: secret("RPC_TOKEN") })

export type Values = ValuesOf<typeof variables>

export const weak = ({ ENVIRONMENT, RPC_TOKEN }: Partial<Values & Process.Values>) =>
  weakSecrets("RPC_TOKEN", RPC_TOKEN && secretsIn(RPC_TOKEN), 32, ENVIRONMENT)

export interface Derived {
  /** The tokens in RPC_TOKEN. Each token gives access to `/rpc`. If there are none, `/rpc` is disabled. */
  readonly rpcTokens: ReadonlyArray<Redacted.Redacted>
}

export const derive = ({ RPC_TOKEN }: Values): Derived => ({
  rpcTokens: RPC_TOKEN === null ? [] : secretsIn(RPC_TOKEN),
})
