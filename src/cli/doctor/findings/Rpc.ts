import type { Settings } from "../../../core/settings/Settings.ts"
import { ok } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ rpcTokens }: Values) =>
  rpcTokens.length > 0
    ? ok("RPC", "token required", "RPC_TOKEN")
    : ok("RPC", "off", "RPC_TOKEN is not set")
