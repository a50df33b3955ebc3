import { Config, Redacted, Schema } from "effect"

/**
 * Every environment variable the process reads, by its own name: what it may hold, and its default. The rules
 * between variables stand in `Settings.ts`; `.env.example` explains each one to the operator.
 */

const optional = <A>(config: Config.Config<A>) =>
  config.pipe(
    Config.map((value): A | null => value),
    Config.withDefault(null),
  )

const secret = (name: string) => optional(Config.Redacted(name))

const text = (name: string) => optional(Config.String(name))

const flag = (name: string, fallback: boolean) =>
  Config.Boolean(name).pipe(Config.withDefault(fallback))

const integer = (name: string, range: { minimum: number; maximum: number }, fallback: number) =>
  Config.schema(Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween(range)), name).pipe(
    Config.withDefault(fallback),
  )

const url = (name: string) =>
  optional(
    Config.schema(
      Schema.String.check(
        Schema.makeFilter(
          (value) =>
            (/^https?:\/\/\S+$/.test(value) && URL.canParse(value)) || "must be an http(s) URL",
        ),
      ),
      name,
    ).pipe(Config.map((value) => value.replace(/\/+$/, ""))),
  )

/** An origin as browsers send it: scheme, host, port, nothing after. `*` is for Settings to judge. */
const isOrigin = (value: string) =>
  value === "*" || (URL.canParse(value) && new URL(value).origin === value)

const origins = Schema.fromJsonString(
  Schema.Array(
    Schema.String.check(
      Schema.makeFilter(
        (value) => isOrigin(value) || "must be an origin like https://app.example.com",
      ),
    ),
  ),
)

const redactedUrl = Schema.String.check(
  Schema.makeFilter(
    (value) =>
      /^(?:sqlite|postgres|postgresql)(?:\+\w+)?:/.test(value) ||
      "must start with sqlite: or postgres://",
  ),
)

export const variables = {
  PROJECT_NAME: Config.String("PROJECT_NAME").pipe(Config.withDefault("Plinth")),
  ENVIRONMENT: Config.Literals(["local", "staging", "production"], "ENVIRONMENT").pipe(
    Config.withDefault("local" as const),
  ),
  DEBUG: flag("DEBUG", false),
  LOG_LEVEL: Config.Literals(["DEBUG", "INFO", "WARNING", "ERROR"], "LOG_LEVEL").pipe(
    Config.withDefault("INFO" as const),
  ),
  HOST: Config.String("HOST").pipe(Config.withDefault("0.0.0.0")),
  PORT: integer("PORT", { minimum: 0, maximum: 65_535 }, 8000),
  SECRET_KEY: secret("SECRET_KEY"),
  DATA_DIR: Config.String("DATA_DIR").pipe(Config.withDefault(".data")),
  BACKEND_CORS_ORIGINS: Config.schema(origins, "BACKEND_CORS_ORIGINS").pipe(
    Config.withDefault<ReadonlyArray<string>>(["http://localhost:3000"]),
  ),
  PUBLIC_URL: url("PUBLIC_URL"),
  TRUSTED_PROXIES: integer("TRUSTED_PROXIES", { minimum: 0, maximum: 100 }, 0),
  BODY_LIMIT_BYTES: integer(
    "BODY_LIMIT_BYTES",
    { minimum: 1024, maximum: 1_073_741_824 },
    1_048_576,
  ),
  DOCS_ENABLED: optional(Config.Boolean("DOCS_ENABLED")),
  SHUTDOWN_GRACE_SECONDS: integer("SHUTDOWN_GRACE_SECONDS", { minimum: 0, maximum: 3600 }, 20),

  DATABASE_URL: optional(
    Config.schema(redactedUrl, "DATABASE_URL").pipe(Config.map((value) => Redacted.make(value))),
  ),
  DB_POOL_SIZE: integer("DB_POOL_SIZE", { minimum: 1, maximum: 1000 }, 10),

  AUTH_PROVIDER: optional(Config.Literals(["supabase", "clerk", "custom"], "AUTH_PROVIDER")),
  SUPABASE_PROJECT_URL: url("SUPABASE_PROJECT_URL"),
  SUPABASE_JWT_SECRET: secret("SUPABASE_JWT_SECRET"),
  CLERK_ISSUER_URL: url("CLERK_ISSUER_URL"),
  CLERK_SECRET_KEY: secret("CLERK_SECRET_KEY"),
  OAUTH_JWKS_URL: url("OAUTH_JWKS_URL"),
  OAUTH_AUDIENCE: text("OAUTH_AUDIENCE"),
  OAUTH_ISSUER: text("OAUTH_ISSUER"),
  AUTH_ROLE_CLAIM: text("AUTH_ROLE_CLAIM"),

  METRICS_TOKEN: secret("METRICS_TOKEN"),
  OTEL_ENABLED: flag("OTEL_ENABLED", false),
  OTEL_EXPORTER: Config.Literals(["otlp", "console", "none"], "OTEL_EXPORTER").pipe(
    Config.withDefault("otlp" as const),
  ),
  OTEL_SERVICE_NAME: text("OTEL_SERVICE_NAME"),
  OTEL_EXPORTER_OTLP_ENDPOINT: url("OTEL_EXPORTER_OTLP_ENDPOINT"),
  OTEL_TRACES_SAMPLER_ARG: Config.schema(
    Schema.NumberFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    "OTEL_TRACES_SAMPLER_ARG",
  ).pipe(Config.withDefault(1)),
}

type Variables = typeof variables
export type Values = { readonly [Name in keyof Variables]: Config.Success<Variables[Name]> }
