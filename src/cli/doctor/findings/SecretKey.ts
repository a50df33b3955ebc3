import type { Settings } from "../../../core/settings/Settings.ts"
import { ok } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ secretGenerated, secretKeys }: Values) =>
  secretGenerated
    ? ok("SECRET_KEY", "generated for this machine", "SECRET_KEY is not set")
    : ok(
        "SECRET_KEY",
        secretKeys.length === 1 ? "one key" : `${secretKeys.length} keys, the first signs`,
        "SECRET_KEY",
      )
