import { Config, Option, Redacted, Schema } from "effect"
import { EmailAddress, isEmailAddress } from "../../domain/Email.ts"
import { withOverrides, PlanLimitsOverride, planLimits } from "../../domain/Plan.ts"
import { isRate, parseRate } from "../../domain/Rate.ts"
import { aiProviders } from "../../domain/AiModels.ts"
import { aiChoicesOf, aiProviderOf, type AiRoutes, aiRoutesOf } from "./Ai.ts"
import { databaseSettings } from "./Database.ts"
import { OriginList, originsIn } from "./Origins.ts"

/** An invalid variable. The message never contains its value. */
export interface Problem {
  readonly name: string
  readonly message: string
}

/**
 * Every environment variable that the process reads, with its valid values and its default. The rules between variables
 * are in `Settings.ts`. `.env.example` documents each variable for operators.
 */
export const variables = () => ({
  PROJECT_NAME: line("PROJECT_NAME").pipe(Config.withDefault("Plinth")),
  ENVIRONMENT: oneOf("ENVIRONMENT", ["local", "staging", "production"], "local"),
  DEBUG: flag("DEBUG", false),
  LOG_LEVEL: oneOf("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
  HOST: line("HOST").pipe(Config.withDefault("0.0.0.0")),
  PORT: integer("PORT", 0, 65_535, 8000),
  SECRET_KEY: secret("SECRET_KEY"),
  DATA_DIR: line("DATA_DIR").pipe(Config.withDefault(".data")),
  BACKEND_CORS_ORIGINS: origins("BACKEND_CORS_ORIGINS", ["http://localhost:3000"]),
  PUBLIC_URL: url("PUBLIC_URL"),
  TRUSTED_PROXIES: integer("TRUSTED_PROXIES", 0, 100, 0),
  BODY_LIMIT_BYTES: integer("BODY_LIMIT_BYTES", 1024, 1_073_741_824, 1_048_576),
  DOCS_ENABLED: optional(boolean("DOCS_ENABLED")),
  SHUTDOWN_GRACE_SECONDS: integer("SHUTDOWN_GRACE_SECONDS", 0, 3600, 20),

  DATABASE_URL: databaseUrl("DATABASE_URL"),
  DB_POOL_SIZE: integer("DB_POOL_SIZE", 1, 1000, 10),
  REDIS_URL: redisUrl("REDIS_URL"),

  WORKER_PORT: integer("WORKER_PORT", 0, 65_535, 9464),
  JOBS_EMBEDDED: optional(boolean("JOBS_EMBEDDED")),
  JOBS_CONCURRENCY: integer("JOBS_CONCURRENCY", 1, 1000, 10),

  RATE_LIMIT_DEFAULT: rate("RATE_LIMIT_DEFAULT", "60/minute"),
  RATE_LIMIT_AI: rate("RATE_LIMIT_AI", "10/minute"),
  RATE_LIMIT_AUTH: rate("RATE_LIMIT_AUTH", "5/minute"),

  AUTH_PROVIDER: optional(literal("AUTH_PROVIDER", ["supabase", "clerk", "custom"])),
  SUPABASE_PROJECT_URL: url("SUPABASE_PROJECT_URL"),
  SUPABASE_JWT_SECRET: secret("SUPABASE_JWT_SECRET"),
  CLERK_ISSUER_URL: url("CLERK_ISSUER_URL"),
  CLERK_SECRET_KEY: secret("CLERK_SECRET_KEY"),
  OAUTH_JWKS_URL: url("OAUTH_JWKS_URL"),
  OAUTH_AUDIENCE: optional(line("OAUTH_AUDIENCE")),
  OAUTH_ISSUER: optional(line("OAUTH_ISSUER")),
  AUTH_ROLE_CLAIM: claimPath("AUTH_ROLE_CLAIM"),

  EMAIL_PROVIDER: oneOf("EMAIL_PROVIDER", ["console", "resend", "sendgrid"], "console"),
  EMAIL_FROM_ADDRESS: emailAddress("EMAIL_FROM_ADDRESS"),
  EMAIL_FROM_NAME: optional(line("EMAIL_FROM_NAME")),
  ADMIN_EMAIL: emailAddress("ADMIN_EMAIL"),
  RESEND_API_KEY: secret("RESEND_API_KEY"),
  SENDGRID_API_KEY: secret("SENDGRID_API_KEY"),
  RESEND_BASE_URL: url("RESEND_BASE_URL"),
  SENDGRID_BASE_URL: url("SENDGRID_BASE_URL"),

  AI_DEFAULT_PROVIDER: aiProvider("AI_DEFAULT_PROVIDER"),
  AI_DEFAULT_MODEL: optional(line("AI_DEFAULT_MODEL")),
  AI_ROUTES: aiRoutes("AI_ROUTES"),
  AI_FALLBACK_PROVIDERS: aiChoices("AI_FALLBACK_PROVIDERS"),
  OPENAI_API_KEY: secret("OPENAI_API_KEY"),
  ANTHROPIC_API_KEY: secret("ANTHROPIC_API_KEY"),
  GOOGLE_API_KEY: secret("GOOGLE_API_KEY"),
  OPENAI_BASE_URL: url("OPENAI_BASE_URL"),
  ANTHROPIC_BASE_URL: url("ANTHROPIC_BASE_URL"),
  GOOGLE_BASE_URL: url("GOOGLE_BASE_URL"),

  PLAN_LIMITS: planLimitsFrom("PLAN_LIMITS"),
  USAGE_TRACKING_ENABLED: flag("USAGE_TRACKING_ENABLED", true),

  METRICS_TOKEN: secret("METRICS_TOKEN"),
  RPC_TOKEN: secret("RPC_TOKEN"),
  OTEL_ENABLED: flag("OTEL_ENABLED", false),
  OTEL_EXPORTER: oneOf("OTEL_EXPORTER", ["otlp", "console", "none"], "otlp"),
  OTEL_SERVICE_NAME: optional(line("OTEL_SERVICE_NAME")),
  OTEL_EXPORTER_OTLP_ENDPOINT: url("OTEL_EXPORTER_OTLP_ENDPOINT"),
  OTEL_TRACES_SAMPLER_ARG: fraction("OTEL_TRACES_SAMPLER_ARG", 1),
})

type Variables = ReturnType<typeof variables>
export type Values = { readonly [Name in keyof Variables]: Config.Success<Variables[Name]> }

const optional = <A>(config: Config.Config<A>) =>
  config.pipe(
    Config.map((value): A | null => value),
    Config.withDefault(null),
  )

/** Text that must pass a test. `expected` is the whole error message, so that it never contains the value. */
const checked = (name: string, expected: string, isValid: (value: string) => boolean) =>
  Config.schema(Schema.String.check(Schema.makeFilter((value) => isValid(value) || expected)), name)

const line = (name: string) =>
  checked(name, "must be one line of text", (value) => !/\p{Cc}/u.test(value))

const secret = (name: string) => line(name).pipe(Config.map(Redacted.make<string>), optional)

const literal = <const Words extends ReadonlyArray<string>>(name: string, words: Words) =>
  Config.schema(
    Schema.Literals(words).annotate({ message: `must be one of ${words.join(", ")}` }),
    name,
  )

const oneOf = <const Words extends ReadonlyArray<string>>(
  name: string,
  words: Words,
  fallback: Words[number],
) => literal(name, words).pipe(Config.withDefault(fallback))

const trueWords = ["true", "yes", "on", "1"]
const falseWords = ["false", "no", "off", "0"]

const boolean = (name: string) =>
  checked(name, "must be true or false", (value) =>
    [...trueWords, ...falseWords].includes(value.toLowerCase()),
  ).pipe(Config.map((value) => trueWords.includes(value.toLowerCase())))

const flag = (name: string, fallback: boolean) => boolean(name).pipe(Config.withDefault(fallback))

const integer = (name: string, minimum: number, maximum: number, fallback: number) =>
  checked(
    name,
    `must be a whole number from ${minimum} to ${maximum}`,
    (value) => /^\d{1,15}$/.test(value) && Number(value) >= minimum && Number(value) <= maximum,
  ).pipe(Config.map(Number), Config.withDefault(fallback))

const fraction = (name: string, fallback: number) =>
  checked(
    name,
    "must be a number from 0 to 1",
    (value) => /^\d*\.?\d+$/.test(value) && Number(value) <= 1,
  ).pipe(Config.map(Number), Config.withDefault(fallback))

const isHttp = (value: string) =>
  /^https?:\/\/\S+$/i.test(value) &&
  URL.canParse(value) &&
  // URL accepts a wildcard in a host name, but no such host exists.
  !new URL(value).host.includes("*")

/** A URL without trailing slashes, so that a path can be appended. */
const url = (name: string) =>
  checked(name, "must be an http:// or https:// URL", isHttp).pipe(
    Config.map((value) => value.replace(/\/+$/, "")),
    optional,
  )

const emailAddress = (name: string) =>
  checked(name, "must be an e-mail address, like no-reply@example.com", isEmailAddress).pipe(
    Config.map((value) => EmailAddress.make(value)),
    optional,
  )

const origins = (name: string, fallback: ReadonlyArray<string>) =>
  Config.schema(OriginList, name).pipe(Config.map(originsIn), Config.withDefault(fallback))

/** Redacted, because it may contain a password. */
const databaseUrl = (name: string) =>
  checked(
    name,
    "must be sqlite:<file> or postgres://<user>@<host>/<database>",
    (value) => databaseSettings(Redacted.make(value)) !== undefined,
  ).pipe(Config.map(Redacted.make<string>), optional)

/** Redacted, because it may contain a password. */
const redisUrl = (name: string) =>
  checked(
    name,
    "must be redis://<host>:<port> or rediss://<host>:<port>",
    (value) =>
      /^rediss?:\/\//i.test(value) && URL.canParse(value) && new URL(value).hostname !== "",
  ).pipe(Config.map(Redacted.make<string>), optional)

const rate = (name: string, fallback: string) =>
  checked(name, "must be <number>/<second|minute|hour|day>, like 60/minute", isRate).pipe(
    Config.withDefault(fallback),
    Config.map(parseRate),
  )

const claimPath = (name: string) =>
  optional(
    checked(name, "must be names joined by dots, like app_metadata.role", (value) =>
      /^[^\s.\p{Cc}]+(?:\.[^\s.\p{Cc}]+)*$/u.test(value),
    ),
  )

const aiProvider = (name: string) =>
  checked(
    name,
    `must be one of ${aiProviders.join(", ")}`,
    (value) => aiProviderOf(value) !== null,
  ).pipe(Config.map(aiProviderOf), optional)

const aiRoutes = (name: string) =>
  checked(
    name,
    'must be a JSON object from simple, moderate, complex or search to a model, like {"complex":"openai/gpt-4.1"}',
    (value) => aiRoutesOf(value) !== null,
  ).pipe(
    Config.map((value): AiRoutes => aiRoutesOf(value) ?? {}),
    Config.withDefault({}),
  )

const aiChoices = (name: string) =>
  checked(
    name,
    "must be a list of providers, like anthropic,google/gemini-3.8-flash",
    (value) => aiChoicesOf(value) !== null,
  ).pipe(
    Config.map((value) => aiChoicesOf(value) ?? []),
    Config.withDefault([]),
  )

const decodeOverrides = Schema.decodeUnknownOption(Schema.fromJsonString(PlanLimitsOverride), {
  onExcessProperty: "error",
})

const planLimitsFrom = (name: string) =>
  checked(
    name,
    'must be a JSON object of plans and their limits, like {"free":{"ai_tokens":5000,"projects":null}}',
    (value) => Option.isSome(decodeOverrides(value)),
  ).pipe(
    Config.map((value) => withOverrides(Option.getOrElse(decodeOverrides(value), () => ({})))),
    Config.withDefault(planLimits),
  )
