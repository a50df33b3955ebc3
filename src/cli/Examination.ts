import { resolve } from "node:path"
import { Effect, Layer, Result } from "effect"
import { FetchHttpClient } from "effect/http"
import { Database } from "../core/sql/Database.ts"
import * as Jwks from "../core/identity/Jwks.ts"
import { jobRunner, Leases } from "../core/sql/Leases.ts"
import * as Logger from "../core/telemetry/Logger.ts"
import { Metrics } from "../core/telemetry/Metrics.ts"
import * as Migrations from "../core/sql/Migrations.ts"
import { Redis } from "../core/shared/Redis.ts"
import { aiKeys } from "../core/settings/Ai.ts"
import { Settings } from "../core/settings/Settings.ts"
import { broken, type Finding, ok, warning } from "./Finding.ts"
import { migrationsFinding } from "./Migrating.ts"

type Values = Settings["Service"]

/**
 * Examines every part that a server would use. Builds the layers itself, unlike other modules, because a layer that
 * cannot be built is a finding, not a failure.
 */
export const examine = Effect.gen(function* () {
  const loaded = yield* Effect.result(Effect.provide(Settings, Settings.layer))
  if (Result.isFailure(loaded)) {
    return loaded.failure.problems.map(({ name, message }): Finding => ({
      part: name,
      status: "broken",
      live: null,
      why: null,
      advice: message,
    }))
  }
  const settings = loaded.success
  const { finding: databaseFinding, isMigrated } = yield* examineDatabase(settings)
  return [
    ok("Settings", settings.ENVIRONMENT, "ENVIRONMENT"),
    dataDirectoryFinding(settings),
    secretKeyFinding(settings),
    databaseFinding,
    yield* examineJobs(settings, isMigrated),
    yield* examineRedis(settings),
    yield* examineTokens(settings),
    emailFinding(settings),
    aiFinding(settings),
    loggerFinding(settings),
    metricsFinding(settings),
    rpcFinding(settings),
    tracingFinding(settings),
    documentationFinding(settings),
    proxiesFinding(settings),
  ]
})

const dataDirectoryFinding = (settings: Values) => {
  const { DATABASE_URL, DATA_DIR, secretGenerated } = settings
  const contents = [
    ...(secretGenerated ? ["the secret key"] : []),
    ...(DATABASE_URL === null ? ["the database"] : []),
    ...(writesEmails(settings) ? ["e-mails"] : []),
  ]
  // Settings refuse a directory that cannot be written, unless it would only store e-mails.
  return contents.length === 0
    ? ok("DATA_DIR", "not used", "nothing is stored there")
    : ok("DATA_DIR", resolve(DATA_DIR), `stores ${contents.join(", ")}`)
}

const secretKeyFinding = ({ secretGenerated, secretKeys }: Values) =>
  secretGenerated
    ? ok("SECRET_KEY", "generated for this machine", "SECRET_KEY is not set")
    : ok(
        "SECRET_KEY",
        secretKeys.length === 1 ? "one key" : `${secretKeys.length} keys, the first signs`,
        "SECRET_KEY",
      )

const databaseReason = ({ DATABASE_URL }: Values) =>
  DATABASE_URL === null ? "DATABASE_URL is not set" : "DATABASE_URL"

const examineDatabase = Effect.fnUntraced(function* (settings: Values) {
  const finding = ok(
    "Database",
    settings.database.dialect === "pg" ? "PostgreSQL" : "SQLite",
    databaseReason(settings),
  )
  const probe = Effect.andThen(
    Effect.flatMap(Database, ({ ping }) => ping),
    Migrations.status(),
  )
  const result = yield* Effect.result(Effect.provide(probe, probeLayer(settings, Database.layer)))
  if (Result.isFailure(result)) {
    return { finding: broken(finding, result.failure.message), isMigrated: false }
  }
  return {
    finding: migrationsFinding(finding, result.success),
    isMigrated: result.success.pending.length === 0,
  }
})

/** Warns when no process runs jobs. A process that does holds the `job_runner` lease. */
const examineJobs = Effect.fnUntraced(function* (settings: Values, isMigrated: boolean) {
  const finding = ok(
    "Jobs",
    settings.jobsEmbedded ? "in the server" : "in workers",
    settings.JOBS_EMBEDDED === null ? databaseReason(settings) : "JOBS_EMBEDDED",
  )
  if (settings.jobsEmbedded) return finding
  // The leases can be read only from a migrated database.
  if (!isMigrated) return warning(finding, "unknown: see Database")
  const probe = Effect.flatMap(Leases, ({ isHeld }) => isHeld(jobRunner))
  const layer = Leases.layer.pipe(Layer.provide(Database.layer))
  const leaseResult = yield* Effect.result(Effect.provide(probe, probeLayer(settings, layer)))
  return Result.isSuccess(leaseResult) && leaseResult.success
    ? finding
    : warning(finding, "no worker has run for 15 s, so jobs are waiting: start plinth worker")
})

/** Only warns: a server starts without Redis. */
const examineRedis = Effect.fnUntraced(function* (settings: Values) {
  if (settings.REDIS_URL === null) {
    const finding = ok("Redis", "none: in memory", "REDIS_URL is not set")
    return settings.ENVIRONMENT === "local"
      ? finding
      : warning(finding, "rate limits and caches are per process: set REDIS_URL to share them")
  }
  const finding = ok("Redis", "Redis", "REDIS_URL")
  const probe = Effect.flatMap(Redis, (connection) => connection?.ping ?? Effect.void)
  const pingResult = yield* Effect.result(Effect.provide(probe, probeLayer(settings, Redis.layer)))
  return Result.isSuccess(pingResult)
    ? finding
    : warning(finding, "Redis is unreachable: a server starts, but degraded")
})

const examineTokens = Effect.fnUntraced(function* (settings: Values) {
  const { jwksUrl, provider, secrets } = settings.auth
  const isDefault = jwksUrl === null && provider === "custom"
  const derivedFrom = isDefault ? "no provider is configured" : `the variables of ${provider}`
  const why = settings.AUTH_PROVIDER === null ? derivedFrom : "AUTH_PROVIDER"
  if (jwksUrl === null) return ok("Tokens", `${provider}, HS256`, why)
  const finding = ok(
    "Tokens",
    secrets.length === 0 ? `${provider}, JWKS` : `${provider}, JWKS and HS256`,
    why,
  )
  const probe = Effect.flatMap(Jwks.make(jwksUrl), ({ find }) => find("RS256", null))
  const keyResult = yield* Effect.result(
    Effect.scoped(Effect.provide(probe, probeLayer(settings, FetchHttpClient.layer))),
  )
  return Result.isSuccess(keyResult)
    ? finding
    : broken(finding, `cannot fetch keys from ${jwksUrl}: sign-in answers 503`)
})

const writesEmails = ({ ENVIRONMENT, email }: Values) =>
  ENVIRONMENT === "local" && email.provider === "console"

/** Does not try the key of the provider: some keys may only send. */
const emailFinding = (settings: Values) => {
  const { provider } = settings.email
  if (provider !== "console") return ok("Email", provider, "EMAIL_PROVIDER")
  return writesEmails(settings)
    ? ok("Email", "console: files in DATA_DIR", "ENVIRONMENT, EMAIL_PROVIDER")
    : warning(
        ok("Email", "console", "EMAIL_PROVIDER"),
        "no e-mail is sent: set EMAIL_PROVIDER to resend or sendgrid",
      )
}

/** Does not try the keys: every request costs. */
const aiFinding = ({ ENVIRONMENT, ai }: Values) => {
  const { default: defaultModel, fallbacks, providers, routes } = ai
  const names = providers.map(({ provider }) => provider)
  if (names.length === 0) {
    return warning(
      ok("AI", "none", "no key is set"),
      `the AI routes answer 503: set one of ${aiKeys.join(", ")}`,
    )
  }
  const finding = ok(
    "AI",
    `${names.join(", ")}; ${defaultModel.provider}/${defaultModel.model} by default`,
    fallbacks.length === 0
      ? "the API keys that are set"
      : "the API keys that are set, AI_FALLBACK_PROVIDERS",
  )
  const withoutKey = [defaultModel, ...Object.values(routes)].find(
    ({ provider }) => !names.includes(provider),
  )
  if (withoutKey !== undefined) return warning(finding, `${withoutKey.provider} has no key`)
  return names.includes("echo") && ENVIRONMENT !== "local"
    ? warning(finding, "echo only repeats its input: set an API key, and do not use echo")
    : finding
}

/** Provides what a probed layer needs. Logs to stderr, because the findings are on stdout. */
const probeLayer = <A, E>(settings: Values, layer: Layer.Layer<A, E, Settings | Metrics>) =>
  layer.pipe(
    Layer.provideMerge(Layer.merge(Metrics.layer, Logger.layerStderr)),
    Layer.provide(Layer.succeed(Settings, settings)),
  )

const loggerFinding = ({ DEBUG, ENVIRONMENT, LOG_LEVEL }: Values) =>
  ok(
    "Logger",
    `${ENVIRONMENT === "local" ? "readable" : "JSON"} lines, ${DEBUG ? "DEBUG" : LOG_LEVEL} and above`,
    DEBUG ? "ENVIRONMENT, DEBUG" : "ENVIRONMENT, LOG_LEVEL",
  )

const documentationFinding = ({ DOCS_ENABLED, docs }: Values) =>
  ok(
    "Documentation",
    docs ? "/docs" : "off",
    DOCS_ENABLED === null ? "ENVIRONMENT" : "DOCS_ENABLED",
  )

const metricsFinding = ({ ENVIRONMENT, METRICS_TOKEN }: Values) => {
  if (METRICS_TOKEN !== null) return ok("Metrics", "token required", "METRICS_TOKEN")
  return ENVIRONMENT === "production"
    ? warning(
        ok("Metrics", "closed", "METRICS_TOKEN is not set"),
        "every scrape answers 401 in production: set METRICS_TOKEN",
      )
    : ok("Metrics", "open to all", "METRICS_TOKEN is not set")
}

const rpcFinding = ({ rpcTokens }: Values) =>
  rpcTokens.length > 0
    ? ok("RPC", "token required", "RPC_TOKEN")
    : ok("RPC", "off", "RPC_TOKEN is not set")

const tracingFinding = ({ OTEL_ENABLED, OTEL_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT }: Values) => {
  if (!OTEL_ENABLED) return ok("Tracing", "off", "OTEL_ENABLED is not set")
  const finding = ok("Tracing", OTEL_EXPORTER, "OTEL_ENABLED, OTEL_EXPORTER")
  return OTEL_EXPORTER === "otlp" && OTEL_EXPORTER_OTLP_ENDPOINT?.endsWith(":4317")
    ? warning(finding, "OTEL_EXPORTER_OTLP_ENDPOINT has the gRPC port 4317: use 4318 for HTTP")
    : finding
}

const proxiesFinding = ({ ENVIRONMENT, TRUSTED_PROXIES }: Values) => {
  const finding = ok(
    "TRUSTED_PROXIES",
    String(TRUSTED_PROXIES),
    TRUSTED_PROXIES === 0 ? "default" : "TRUSTED_PROXIES",
  )
  return TRUSTED_PROXIES === 0 && ENVIRONMENT !== "local"
    ? warning(
        finding,
        "behind a proxy, every client has its address: set the number of proxies that add to X-Forwarded-For",
      )
    : finding
}
