import type { Settings } from "../../../core/settings/Settings.ts"
import { ok, warning } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ ENVIRONMENT, METRICS_TOKEN }: Values) => {
  if (METRICS_TOKEN !== null) return ok("Metrics", "token required", "METRICS_TOKEN")
  return ENVIRONMENT === "production"
    ? warning(
        ok("Metrics", "closed", "METRICS_TOKEN is not set"),
        "every scrape answers 401 in production: set METRICS_TOKEN",
      )
    : ok("Metrics", "open to all", "METRICS_TOKEN is not set")
}
