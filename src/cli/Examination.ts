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
import { Settings } from "../core/settings/Settings.ts"
import { broken, type Finding, ok, warning } from "./Finding.ts"
import { examined } from "./Migrating.ts"

type Values = Settings["Service"]

/**
 * Looks at everything that a server would be made of. It builds layers itself, where all others ask for them, because
 * one that cannot be built is its result and not its failure.
 */
export const examine = Effect.gen(function* () {
  const built = yield* Effect.result(Effect.provide(Settings, Settings.layer))
  if (Result.isFailure(built)) {
    return built.failure.problems.map(({ name, message }): Finding => ({
      part: name,
      status: "broken",
      live: null,
      why: null,
      advice: message,
    }))
  }
  const settings = built.success
  const { finding: data, isMigrated } = yield* database(settings)
  return [
    ok("Settings", settings.ENVIRONMENT, "ENVIRONMENT"),
    dataDirectory(settings),
    secretKey(settings),
    data,
    yield* jobs(settings, isMigrated),
    yield* redis(settings),
    yield* tokens(settings),
    email(settings),
    ai(settings),
    logger(settings),
    metrics(settings),
    rpc(settings),
    tracing(settings),
    documentation(settings),
    proxies(settings),
  ]
})

const dataDirectory = (settings: Values) => {
  const { DATABASE_URL, DATA_DIR, secretGenerated } = settings
  const kept = [
    ...(secretGenerated ? ["the secret key"] : []),
    ...(DATABASE_URL === null ? ["the database"] : []),
    ...(writesEmails(settings) ? ["e-mails"] : []),
  ]
  // Settings refuse one that cannot be written, unless only e-mails would be.
  return kept.length === 0
    ? ok("DATA_DIR", "not used", "nothing is kept here")
    : ok("DATA_DIR", resolve(DATA_DIR), `keeps ${kept.join(", ")}`)
}

const secretKey = ({ secretGenerated, secretKeys }: Values) =>
  secretGenerated
    ? ok("SECRET_KEY", "made for this machine", "SECRET_KEY is not set")
    : ok(
        "SECRET_KEY",
        secretKeys.length === 1 ? "one key" : `${secretKeys.length} keys, the first signs`,
        "SECRET_KEY",
      )

const byDatabase = ({ DATABASE_URL }: Values) =>
  DATABASE_URL === null ? "DATABASE_URL is not set" : "DATABASE_URL"

const database = Effect.fnUntraced(function* (settings: Values) {
  const finding = ok(
    "Database",
    settings.database.dialect === "pg" ? "PostgreSQL" : "SQLite",
    byDatabase(settings),
  )
  const probe = Effect.andThen(
    Effect.flatMap(Database, ({ ping }) => ping),
    Migrations.status(),
  )
  const result = yield* Effect.result(Effect.provide(probe, probing(settings, Database.layer)))
  if (Result.isFailure(result)) {
    return { finding: broken(finding, result.failure.message), isMigrated: false }
  }
  return {
    finding: examined(finding, result.success),
    isMigrated: result.success.pending.length === 0,
  }
})

/** Jobs wait while nobody is there; whoever does them holds a lease. */
const jobs = Effect.fnUntraced(function* (settings: Values, isMigrated: boolean) {
  const finding = ok(
    "Jobs",
    settings.jobsEmbedded ? "in the server" : "in workers",
    settings.JOBS_EMBEDDED === null ? byDatabase(settings) : "JOBS_EMBEDDED",
  )
  if (settings.jobsEmbedded) return finding
  // Without all its tables, or without the database, there is nothing to see.
  if (!isMigrated) return warning(finding, "not known: see Database")
  const probe = Effect.flatMap(Leases, ({ isHeld }) => isHeld(jobRunner))
  const layer = Leases.layer.pipe(Layer.provide(Database.layer))
  const seen = yield* Effect.result(Effect.provide(probe, probing(settings, layer)))
  return Result.isSuccess(seen) && seen.success
    ? finding
    : warning(finding, "no worker has been there for 15 s, and jobs wait: run plinth worker")
})

/** A server starts without it all the same. */
const redis = Effect.fnUntraced(function* (settings: Values) {
  if (settings.REDIS_URL === null) {
    const finding = ok("Redis", "none: in memory", "REDIS_URL is not set")
    return settings.ENVIRONMENT === "local"
      ? finding
      : warning(finding, "each process counts and caches for itself: set REDIS_URL to share")
  }
  const finding = ok("Redis", "Redis", "REDIS_URL")
  const probe = Effect.flatMap(Redis, (connection) => connection?.ping ?? Effect.void)
  const reached = yield* Effect.result(Effect.provide(probe, probing(settings, Redis.layer)))
  return Result.isSuccess(reached)
    ? finding
    : warning(finding, "no Redis answers there: a server starts degraded")
})

const tokens = Effect.fnUntraced(function* (settings: Values) {
  const { jwksUrl, provider, secrets } = settings.auth
  const nobody = jwksUrl === null && provider === "custom"
  const preset = nobody ? "no provider is set up" : `the variables of ${provider}`
  const why = settings.AUTH_PROVIDER === null ? preset : "AUTH_PROVIDER"
  if (jwksUrl === null) return ok("Tokens", `${provider}, HS256`, why)
  const finding = ok(
    "Tokens",
    secrets.length === 0 ? `${provider}, JWKS` : `${provider}, JWKS and HS256`,
    why,
  )
  const probe = Effect.flatMap(Jwks.make(jwksUrl), ({ find }) => find("RS256", null))
  const reached = yield* Effect.result(
    Effect.scoped(Effect.provide(probe, probing(settings, FetchHttpClient.layer))),
  )
  return Result.isSuccess(reached)
    ? finding
    : broken(finding, `no keys can be had from ${jwksUrl}: sign-in answers 503`)
})

const writesEmails = ({ ENVIRONMENT, email }: Values) =>
  ENVIRONMENT === "local" && email.provider === "console"

/** Whether a provider takes our key is not asked: some keys may only send. */
const email = (settings: Values) => {
  const { provider } = settings.email
  if (provider !== "console") return ok("Email", provider, "EMAIL_PROVIDER")
  return writesEmails(settings)
    ? ok("Email", "console: files in DATA_DIR", "ENVIRONMENT, EMAIL_PROVIDER")
    : warning(
        ok("Email", "console", "EMAIL_PROVIDER"),
        "no e-mail is sent: set EMAIL_PROVIDER to resend or sendgrid",
      )
}

/** Nor here: every question costs. */
const ai = ({ ENVIRONMENT, ai: { default: first, fallbacks, providers, routes } }: Values) => {
  const names = providers.map(({ provider }) => provider)
  if (names.length === 0) {
    return warning(
      ok("AI", "none", "no key is set"),
      "the AI routes answer 503: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_API_KEY",
    )
  }
  const finding = ok(
    "AI",
    `${names.join(", ")}; ${first.provider}/${first.model} by default`,
    fallbacks.length === 0
      ? "the keys that are set"
      : "the keys that are set, AI_FALLBACK_PROVIDERS",
  )
  const keyless = [first, ...Object.values(routes)].find(
    ({ provider }) => !names.includes(provider),
  )
  if (keyless !== undefined) return warning(finding, `${keyless.provider} has no key`)
  return names.includes("echo") && ENVIRONMENT !== "local"
    ? warning(finding, "echo repeats what it is told: set a key, and name echo nowhere")
    : finding
}

/** With log lines on stderr, because the findings are on stdout. */
const probing = <A, E>(settings: Values, layer: Layer.Layer<A, E, Settings | Metrics>) =>
  layer.pipe(
    Layer.provideMerge(Layer.merge(Metrics.layer, Logger.layerStderr)),
    Layer.provide(Layer.succeed(Settings, settings)),
  )

const logger = ({ DEBUG, ENVIRONMENT, LOG_LEVEL }: Values) =>
  ok(
    "Logger",
    `${ENVIRONMENT === "local" ? "readable" : "JSON"} lines from ${DEBUG ? "DEBUG" : LOG_LEVEL} on`,
    DEBUG ? "ENVIRONMENT, DEBUG" : "ENVIRONMENT, LOG_LEVEL",
  )

const documentation = ({ DOCS_ENABLED, docs }: Values) =>
  ok(
    "Documentation",
    docs ? "/docs" : "off",
    DOCS_ENABLED === null ? "ENVIRONMENT" : "DOCS_ENABLED",
  )

const metrics = ({ ENVIRONMENT, METRICS_TOKEN }: Values) => {
  if (METRICS_TOKEN !== null) return ok("Metrics", "by token", "METRICS_TOKEN")
  return ENVIRONMENT === "production"
    ? warning(
        ok("Metrics", "closed", "METRICS_TOKEN is not set"),
        "every scrape is a 401 in production until METRICS_TOKEN is set",
      )
    : ok("Metrics", "open to all", "METRICS_TOKEN is not set")
}

const rpc = ({ rpcTokens }: Values) =>
  rpcTokens.length > 0
    ? ok("RPC", "by token", "RPC_TOKEN")
    : ok("RPC", "off", "RPC_TOKEN is not set")

const tracing = ({ OTEL_ENABLED, OTEL_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT }: Values) => {
  if (!OTEL_ENABLED) return ok("Tracing", "off", "OTEL_ENABLED is not set")
  const finding = ok("Tracing", OTEL_EXPORTER, "OTEL_ENABLED, OTEL_EXPORTER")
  return OTEL_EXPORTER === "otlp" && OTEL_EXPORTER_OTLP_ENDPOINT?.endsWith(":4317")
    ? warning(finding, "OTEL_EXPORTER_OTLP_ENDPOINT names the gRPC port; HTTP is 4318")
    : finding
}

const proxies = ({ ENVIRONMENT, TRUSTED_PROXIES }: Values) => {
  const finding = ok(
    "TRUSTED_PROXIES",
    String(TRUSTED_PROXIES),
    TRUSTED_PROXIES === 0 ? "default" : "TRUSTED_PROXIES",
  )
  return TRUSTED_PROXIES === 0 && ENVIRONMENT !== "local"
    ? warning(
        finding,
        "behind a proxy every client has its address: set how many of them add to X-Forwarded-For",
      )
    : finding
}
