import type { Settings } from "../../../core/settings/Settings.ts"
import { ok, warning } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ ENVIRONMENT, TRUSTED_PROXIES }: Values) => {
  const base = ok(
    "TRUSTED_PROXIES",
    String(TRUSTED_PROXIES),
    TRUSTED_PROXIES === 0 ? "default" : "TRUSTED_PROXIES",
  )
  return TRUSTED_PROXIES === 0 && ENVIRONMENT !== "local"
    ? warning(
        base,
        "behind a proxy, every client appears to have the proxy's address: set it to the number of proxies that append to X-Forwarded-For",
      )
    : base
}
