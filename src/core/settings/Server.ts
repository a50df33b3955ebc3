import { Config } from "effect"
import { OriginList, originsIn } from "./Origins.ts"
import type * as Process from "./Process.ts"
import { boolean, integer, optional, url, type ValuesOf } from "./Variables.ts"

export const variables = () => ({
  BACKEND_CORS_ORIGINS: origins("BACKEND_CORS_ORIGINS", ["http://localhost:3000"]),
  PUBLIC_URL: url("PUBLIC_URL"),
  TRUSTED_PROXIES: integer("TRUSTED_PROXIES", 0, 100, 0),
  BODY_LIMIT_BYTES: integer("BODY_LIMIT_BYTES", 1024, 1_073_741_824, 1_048_576),
  DOCS_ENABLED: optional(boolean("DOCS_ENABLED")),
  SHUTDOWN_GRACE_SECONDS: integer("SHUTDOWN_GRACE_SECONDS", 0, 3600, 20),
})

export type Values = ValuesOf<typeof variables>

export interface Derived {
  /** True if the OpenAPI document and Swagger UI are served. */
  readonly docs: boolean
}

export const derive = ({ DOCS_ENABLED, ENVIRONMENT }: Values & Process.Values): Derived => ({
  docs: DOCS_ENABLED ?? ENVIRONMENT !== "production",
})

const origins = (name: string, fallback: ReadonlyArray<string>) =>
  Config.schema(OriginList, name).pipe(Config.map(originsIn), Config.withDefault(fallback))
