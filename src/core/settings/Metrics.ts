import type * as Process from "./Process.ts"
import { secret, type ValuesOf, weakSecrets } from "./Variables.ts"

export const variables = () => ({ METRICS_TOKEN: secret("METRICS_TOKEN") })

export type Values = ValuesOf<typeof variables>

/** Outside production any token is accepted. Scrapers support only a single one. */
export const weak = ({ ENVIRONMENT, METRICS_TOKEN }: Partial<Values & Process.Values>) =>
  ENVIRONMENT === "production"
    ? weakSecrets("METRICS_TOKEN", METRICS_TOKEN && [METRICS_TOKEN], 16, ENVIRONMENT)
    : []
