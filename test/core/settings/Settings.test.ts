import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseEnv, promisify } from "node:util"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { variables } from "../../../src/core/settings/Env.ts"
import {
  type Environment,
  Settings,
  type SettingsError,
} from "../../../src/core/settings/Settings.ts"

const directory = mkdtempSync(join(tmpdir(), "plinth-settings-"))
afterAll(() => rmSync(directory, { recursive: true }))

const settings = (environment: Environment) =>
  Settings.pipe(
    Effect.provide(Layer.fresh(Settings.layerFrom({ SECRET_KEY: key, ...environment }))),
  )

const problems = (environment: Environment) =>
  Effect.map(Effect.flip(settings(environment)), (error: SettingsError) => error.problems)

/** The names of the bad variables, sorted. */
const refused = (environment: Environment) =>
  Effect.map(problems(environment), (all) => all.map(({ name }) => name).toSorted())

const key = "q8Zr3LxV0mN5tKc7WbY1uHs9JdGfPe2A"

const production = {
  ENVIRONMENT: "production",
  DATABASE_URL: "postgres://plinth@db.internal/plinth",
  REDIS_URL: "rediss://cache.internal:6379",
  CLERK_ISSUER_URL: "https://clerk.example.com",
  EMAIL_PROVIDER: "resend",
  RESEND_API_KEY: "re_3kq9Zx7Lm2",
  EMAIL_FROM_ADDRESS: "no-reply@example.com",
  PUBLIC_URL: "https://app.example.com",
}

describe("Settings: defaults", () => {
  it.effect("require no variable in the local environment", () =>
    Effect.gen(function* () {
      const data = join(directory, "nothing")
      const found = yield* settings({ SECRET_KEY: undefined, DATA_DIR: data })
      assert.strictEqual(found.ENVIRONMENT, "local")
      assert.strictEqual(found.PORT, 8000)
      assert.deepStrictEqual(found.BACKEND_CORS_ORIGINS, ["http://localhost:3000"])
      assert.deepStrictEqual(found.database, {
        dialect: "sqlite",
        filename: join(data, "plinth.db"),
      })
      assert.strictEqual(found.auth.provider, "custom")
      assert.deepStrictEqual(found.email, { provider: "console" })
      assert.isTrue(found.docs)
      assert.isTrue(found.secretGenerated)
    }),
  )

  it.effect.each([
    ["7/second", { limit: 7, seconds: 1 }],
    ["60/minute", { limit: 60, seconds: 60 }],
    ["5/hour", { limit: 5, seconds: 3600 }],
    ["200/day", { limit: 200, seconds: 86_400 }],
  ] as const)("accept %s as a rate limit", ([RATE_LIMIT_AI, rate]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* settings({ RATE_LIMIT_AI })).RATE_LIMIT_AI, rate)
    }),
  )

  it.effect("treat an empty value as unset, and trim white space", () =>
    Effect.gen(function* () {
      const found = yield* settings({
        PORT: "",
        LOG_LEVEL: "  ",
        DEBUG: " yes ",
        METRICS_TOKEN: "",
      })
      assert.strictEqual(found.PORT, 8000)
      assert.strictEqual(found.LOG_LEVEL, "INFO")
      assert.isTrue(found.DEBUG)
      assert.isNull(found.METRICS_TOKEN)
    }),
  )

  it.effect("disable documentation in production, unless it is requested", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* settings(production)).docs)
      assert.isTrue((yield* settings({ ...production, DOCS_ENABLED: "true" })).docs)
      assert.isFalse((yield* settings({ DOCS_ENABLED: "false" })).docs)
    }),
  )
})

describe(".env.example", () => {
  const lines = readFileSync(".env.example", "utf8").match(/^# [A-Z_]+=.*$/gm) ?? []
  const example = parseEnv(lines.map((found) => found.slice(2)).join("\n"))

  it("explains exactly the variables that exist", () => {
    assert.deepStrictEqual(Object.keys(example).toSorted(), Object.keys(variables()).toSorted())
  })

  it.effect("shows the defaults", () =>
    Effect.gen(function* () {
      const shown = yield* settings({ ...example, SECRET_KEY: key })
      const defaults = yield* settings({})
      assert.deepStrictEqual<unknown>(shown, {
        ...defaults,
        AUTH_PROVIDER: "custom",
        AI_DEFAULT_PROVIDER: "openai",
        AI_DEFAULT_MODEL: "gpt-4o",
        DOCS_ENABLED: true,
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318",
      })
    }),
  )
})

describe("Settings: bad variables", () => {
  const wrong = "CANARY\u0007"
  const everything = {
    PROJECT_NAME: wrong,
    ENVIRONMENT: wrong,
    DEBUG: wrong,
    LOG_LEVEL: wrong,
    HOST: wrong,
    PORT: wrong,
    SECRET_KEY: wrong,
    DATA_DIR: wrong,
    BACKEND_CORS_ORIGINS: wrong,
    PUBLIC_URL: wrong,
    TRUSTED_PROXIES: wrong,
    BODY_LIMIT_BYTES: wrong,
    DOCS_ENABLED: wrong,
    SHUTDOWN_GRACE_SECONDS: wrong,
    DATABASE_URL: wrong,
    DB_POOL_SIZE: wrong,
    AUTH_PROVIDER: wrong,
    SUPABASE_PROJECT_URL: wrong,
    SUPABASE_JWT_SECRET: wrong,
    CLERK_ISSUER_URL: wrong,
    CLERK_SECRET_KEY: wrong,
    OAUTH_JWKS_URL: wrong,
    OAUTH_AUDIENCE: wrong,
    OAUTH_ISSUER: wrong,
    AUTH_ROLE_CLAIM: wrong,
    EMAIL_PROVIDER: wrong,
    EMAIL_FROM_ADDRESS: wrong,
    EMAIL_FROM_NAME: wrong,
    ADMIN_EMAIL: wrong,
    RESEND_API_KEY: wrong,
    SENDGRID_API_KEY: wrong,
    RESEND_BASE_URL: wrong,
    SENDGRID_BASE_URL: wrong,
    AI_DEFAULT_PROVIDER: wrong,
    AI_DEFAULT_MODEL: wrong,
    AI_ROUTES: wrong,
    AI_FALLBACK_PROVIDERS: wrong,
    OPENAI_API_KEY: wrong,
    ANTHROPIC_API_KEY: wrong,
    GOOGLE_API_KEY: wrong,
    OPENAI_BASE_URL: wrong,
    ANTHROPIC_BASE_URL: wrong,
    GOOGLE_BASE_URL: wrong,
    PLAN_LIMITS: wrong,
    USAGE_TRACKING_ENABLED: wrong,
    METRICS_TOKEN: wrong,
    OTEL_ENABLED: wrong,
    OTEL_EXPORTER: wrong,
    OTEL_SERVICE_NAME: wrong,
    OTEL_EXPORTER_OTLP_ENDPOINT: wrong,
    OTEL_TRACES_SAMPLER_ARG: wrong,
  }

  it.effect("are all reported together, by name, once each, without a value", () =>
    Effect.gen(function* () {
      const error: SettingsError = yield* Effect.flip(settings(everything))
      assert.deepStrictEqual(
        error.problems.map(({ name }) => name).toSorted(),
        Object.keys(everything).toSorted(),
      )
      assert.notInclude(error.message, "CANARY")
    }),
  )

  it.effect.each([
    { PORT: "65536" },
    { PORT: "1.5" },
    { PORT: "1e3" },
    { PORT: "-1" },
    { DB_POOL_SIZE: "0" },
    { BODY_LIMIT_BYTES: "1023" },
    { OTEL_TRACES_SAMPLER_ARG: "1.1" },
    { OTEL_TRACES_SAMPLER_ARG: "-0.1" },
    { LOG_LEVEL: "info" },
    { PUBLIC_URL: "ftp://example.com" },
    { PUBLIC_URL: "https://*.example.com" },
    { BACKEND_CORS_ORIGINS: "http://localhost:3000" },
    { BACKEND_CORS_ORIGINS: '["http://localhost:3000",7]' },
    { SECRET_KEY: "31-bytes-is-one-too-few-for-any" },
    { SECRET_KEY: `${key},short` },
    { SECRET_KEY: "," },
    { SUPABASE_JWT_SECRET: "short" },
    { AUTH_ROLE_CLAIM: "app_metadata." },
    { DATABASE_URL: "mysql://localhost/plinth" },
    { DATABASE_URL: "postgres://" },
    { DATABASE_URL: "sqlite:" },
    { DATABASE_URL: "sqlite://data.db" },
    { DATA_DIR: "/dev/null/data" },
    { REDIS_URL: "localhost:6379" },
    { REDIS_URL: "redis://" },
    { RATE_LIMIT_DEFAULT: "0/minute" },
    { RATE_LIMIT_AI: "10/fortnight" },
    { RATE_LIMIT_AUTH: "5" },
    { PLAN_LIMITS: '{"gold":{}}' },
    { PLAN_LIMITS: '{"free":{"coffee":1}}' },
    { PLAN_LIMITS: '{"free":{"ai_tokens":-1}}' },
    { AI_DEFAULT_PROVIDER: "claude" },
    { AI_ROUTES: '{"simple":"gpt-4o"}' },
    { AI_ROUTES: '{"simple":"openai"}' },
    { AI_ROUTES: '{"simple":"openai/"}' },
    { AI_ROUTES: '{"hard":"openai/gpt-4o"}' },
    { AI_ROUTES: "simple=openai/gpt-4o" },
    { AI_FALLBACK_PROVIDERS: "anthropic,mistral" },
    { AI_FALLBACK_PROVIDERS: "anthropic," },
    { OPENAI_BASE_URL: "api.openai.com" },
    { EMAIL_PROVIDER: "smtp" },
    { EMAIL_FROM_ADDRESS: "no-reply" },
    { EMAIL_FROM_ADDRESS: "Plinth <no-reply@example.com>" },
    { ADMIN_EMAIL: "ada@example.com, grace@example.com" },
  ])("%o", (environment: Environment) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refused(environment), Object.keys(environment))
    }),
  )

  it.effect("are reported even if a rule between variables fails too", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* refused({ ENVIRONMENT: "staging", SECRET_KEY: undefined, PORT: "x" }),
        ["PORT", "SECRET_KEY"],
      )
    }),
  )
})

const originsFrom = (...origins: ReadonlyArray<string>) => ({
  BACKEND_CORS_ORIGINS: JSON.stringify(origins),
})

describe("Settings: CORS origins", () => {
  it.effect("may be those that browsers and apps send", () =>
    Effect.gen(function* () {
      const origins = [
        "https://app.example.com",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "https://xn--bcher-kva.example",
        "https://app.example.com:8443",
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "chrome-extension://abcdefghijklmnop",
      ]
      const { BACKEND_CORS_ORIGINS } = yield* settings(originsFrom(...origins))
      assert.deepStrictEqual(BACKEND_CORS_ORIGINS, origins)
    }),
  )

  it.effect.each([
    ["*", "has a wildcard"],
    ["https://*.example.com", "has a wildcard"],
    ["http://localhost:*", "has a wildcard"],
    ["https://app.example.com/", "ends with a slash: remove it"],
    ["capacitor://localhost/", "ends with a slash: remove it"],
    ["https://app.example.com/path", "has a path"],
    ["https://app.example.com?q", "has a query or a fragment"],
    ["https://app.example.com/#top", "has a query or a fragment"],
    ["https://ada:secret@app.example.com", "has a user name"],
    ["https://App.example.com", "has capital letters"],
    ["HTTPS://app.example.com", "has capital letters"],
    ["https://app.example.com:443", "names the default port"],
    ["http://app.example.com:80", "names the default port"],
    ["https://bücher.example", "has a host outside ASCII"],
    [" https://app.example.com", "has white space"],
    ["null", "is sent by any sandboxed page"],
    ["app.example.com", "has no scheme"],
    ["localhost:3000", "has no scheme"],
    ["", "has no scheme"],
    ["wss://app.example.com", "has a scheme that no web page has"],
    ["data://app", "has a scheme that no web page has"],
    ["javascript://app", "has a scheme that no web page has"],
    ["http://127.1", "is not an origin"],
    ["https://app.example.com:0443", "is not an origin"],
    ["https://", "is not an origin"],
    ["capacitor://", "is not an origin"],
  ] as const)("refuse %s: it %s", ([origin, problem]) =>
    Effect.gen(function* () {
      const [found, ...others] = yield* problems(originsFrom("https://first.example.com", origin))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(found?.name, "BACKEND_CORS_ORIGINS")
      assert.isTrue(found?.message.startsWith(`origin 2 ${problem}`), found?.message)
      if (origin.length > 8) assert.notInclude(found?.message, origin)
    }),
  )

  it.effect("are all checked, and named by position", () =>
    Effect.gen(function* () {
      const wrong = originsFrom("https://a.example/", "https://b.example", "*", "https://b.example")
      assert.deepStrictEqual(yield* problems(wrong), [
        {
          name: "BACKEND_CORS_ORIGINS",
          message:
            "origin 1 ends with a slash: remove it; origin 3 has a wildcard: list every origin exactly, because credentials are allowed; origin 4 repeats origin 2: remove it",
        },
      ])
    }),
  )
})

describe("Settings: database", () => {
  it.effect.each([
    ["sqlite:data/plinth.db", "data/plinth.db"],
    ["sqlite:/var/lib/plinth.db", "/var/lib/plinth.db"],
    ["sqlite:///var/lib/plinth.db", "/var/lib/plinth.db"],
    ["sqlite:////var/lib/plinth.db", "//var/lib/plinth.db"],
    ["sqlite+aiosqlite:///var/lib/plinth.db", "/var/lib/plinth.db"],
    ["sqlite::memory:", ":memory:"],
    ["sqlite:///:memory:", ":memory:"],
  ])("reads %s as the file %s", ([DATABASE_URL, filename]) =>
    Effect.gen(function* () {
      const { database } = yield* settings({ DATABASE_URL })
      assert.deepStrictEqual<unknown>(database, { dialect: "sqlite", filename })
    }),
  )

  it.effect.each([
    ["postgres://ada@localhost/plinth", "postgres://ada@localhost/plinth"],
    [
      "postgresql+asyncpg://ada:pw@db:6432/plinth?sslmode=require",
      "postgresql://ada:pw@db:6432/plinth?sslmode=require",
    ],
    ["postgres:///plinth?host=/run/postgresql", "postgres:///plinth?host=/run/postgresql"],
  ])("reads %s as a PostgreSQL server, and does not print it", ([DATABASE_URL, url]) =>
    Effect.gen(function* () {
      const { database } = yield* settings({ DATABASE_URL })
      assert.isTrue(database.dialect === "pg" && Redacted.value(database.url) === url)
      assert.notInclude(JSON.stringify(database), "plinth")
    }),
  )
})

describe("Settings: sign-in", () => {
  it.effect("takes the provider from the variable that is set", () =>
    Effect.gen(function* () {
      const supabase = yield* settings({ SUPABASE_PROJECT_URL: "https://abc.supabase.co/" })
      assert.deepStrictEqual(supabase.auth, {
        provider: "supabase",
        issuer: "https://abc.supabase.co/auth/v1",
        audience: null,
        jwksUrl: "https://abc.supabase.co/auth/v1/.well-known/jwks.json",
        secrets: [],
        roleClaim: ["app_metadata", "role"],
      })
      const clerk = yield* settings({ CLERK_ISSUER_URL: "https://clerk.example.com" })
      assert.strictEqual(clerk.auth.issuer, "https://clerk.example.com")
      assert.strictEqual(clerk.auth.jwksUrl, "https://clerk.example.com/.well-known/jwks.json")
      assert.deepStrictEqual(clerk.auth.roleClaim, ["metadata", "role"])
    }),
  )

  it.effect("verifies custom tokens with the key set, or with SECRET_KEY without one", () =>
    Effect.gen(function* () {
      const other = key.toLowerCase()
      const keys = yield* settings({ SECRET_KEY: `${key}, ${other}`, AUTH_ROLE_CLAIM: "a.b" })
      assert.deepStrictEqual(keys.auth.secrets.map(Redacted.value), [key, other])
      assert.deepStrictEqual(keys.secretKeys.map(Redacted.value), [key, other])
      assert.deepStrictEqual(keys.auth.roleClaim, ["a", "b"])
      const jwks = yield* settings({ OAUTH_JWKS_URL: "https://login.example.com/jwks" })
      assert.deepStrictEqual(jwks.auth.secrets, [])
      assert.strictEqual(jwks.auth.jwksUrl, "https://login.example.com/jwks")
    }),
  )

  it.effect("refuses two providers, unless AUTH_PROVIDER chooses", () =>
    Effect.gen(function* () {
      const both = {
        CLERK_ISSUER_URL: "https://clerk.example.com",
        SUPABASE_PROJECT_URL: "https://abc.supabase.co",
      }
      assert.deepStrictEqual(yield* refused(both), ["CLERK_ISSUER_URL"])
      const chosen = yield* settings({ ...both, AUTH_PROVIDER: "clerk" })
      assert.strictEqual(chosen.auth.provider, "clerk")
    }),
  )

  it.effect("refuses a provider without its URL", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refused({ AUTH_PROVIDER: "supabase" }), [
        "SUPABASE_PROJECT_URL",
      ])
      assert.deepStrictEqual(yield* refused({ CLERK_SECRET_KEY: "sk" }), ["CLERK_ISSUER_URL"])
    }),
  )
})

describe("Settings: e-mail", () => {
  const from = { EMAIL_FROM_ADDRESS: "no-reply@example.com", PUBLIC_URL: "https://example.com" }

  it.effect.each([
    ["resend", "RESEND_API_KEY", "https://api.resend.com"],
    ["sendgrid", "SENDGRID_API_KEY", "https://api.sendgrid.com"],
  ] as const)("%s requires a key, a sender and a public URL", ([name, key, baseUrl]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* refused({ EMAIL_PROVIDER: name }),
        ["EMAIL_FROM_ADDRESS", "PUBLIC_URL", key].toSorted(),
      )
      const { email } = yield* settings({ EMAIL_PROVIDER: name, [key]: "key", ...from })
      assert(email.provider === name)
      assert.strictEqual(Redacted.value(email.apiKey), "key")
      assert.strictEqual(email.baseUrl, baseUrl)
      assert.deepStrictEqual<unknown>(email.from, {
        address: from.EMAIL_FROM_ADDRESS,
        name: "Plinth",
      })
      assert.notInclude(JSON.stringify(email), '"key"')
    }),
  )

  it.effect("uses the configured sender name and base URL", () =>
    Effect.gen(function* () {
      const { email } = yield* settings({
        ...from,
        EMAIL_PROVIDER: "sendgrid",
        SENDGRID_API_KEY: "key",
        EMAIL_FROM_NAME: "Ada",
        SENDGRID_BASE_URL: "https://api.eu.sendgrid.com/",
      })
      assert(email.provider === "sendgrid")
      assert.strictEqual(email.from.name, "Ada")
      assert.strictEqual(email.baseUrl, "https://api.eu.sendgrid.com")
    }),
  )
})

describe("Settings: production", () => {
  it.effect("accepts a complete configuration", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* settings(production)).secretGenerated)
    }),
  )

  it.effect.each([
    [{ DATABASE_URL: undefined }, "DATABASE_URL"],
    [{ DATABASE_URL: "sqlite:/var/lib/plinth.db" }, "DATABASE_URL"],
    [{ REDIS_URL: undefined }, "REDIS_URL"],
    [{ DEBUG: "true" }, "DEBUG"],
    [{ SECRET_KEY: undefined }, "SECRET_KEY"],
    [{ SECRET_KEY: "please-change-me-before-production-0123456789" }, "SECRET_KEY"],
    [{ SECRET_KEY: "0123456789abcdef0123456789abcdef" }, "SECRET_KEY"],
    [{ SECRET_KEY: `${key},${"a".repeat(40)}` }, "SECRET_KEY"],
    [
      {
        SUPABASE_JWT_SECRET: "super-secret-jwt-token-with-at-least-32-characters-long",
        AUTH_PROVIDER: "clerk",
      },
      "SUPABASE_JWT_SECRET",
    ],
    [{ METRICS_TOKEN: "prometheus" }, "METRICS_TOKEN"],
    [{ RPC_TOKEN: "please-change-me-before-production-0123456789" }, "RPC_TOKEN"],
    [{ RPC_TOKEN: `${key},short` }, "RPC_TOKEN"],
    [{ BACKEND_CORS_ORIGINS: '["*"]' }, "BACKEND_CORS_ORIGINS"],
    [{ CLERK_ISSUER_URL: undefined }, "OAUTH_ISSUER"],
    [{ EMAIL_PROVIDER: "console" }, "EMAIL_PROVIDER"],
    [{ EMAIL_PROVIDER: undefined }, "EMAIL_PROVIDER"],
    [{ RESEND_API_KEY: undefined }, "RESEND_API_KEY"],
    [{ AI_DEFAULT_PROVIDER: "echo" }, "AI_DEFAULT_PROVIDER"],
    [{ AI_FALLBACK_PROVIDERS: "openai, echo" }, "AI_FALLBACK_PROVIDERS"],
    [{ AI_ROUTES: '{"simple":"echo/echo"}' }, "AI_ROUTES"],
  ] as ReadonlyArray<[Environment, string]>)("refuses %o", ([environment, name]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* refused({ ...production, ...environment }), [name])
    }),
  )
})

describe("Settings in a process", () => {
  const modules = ["effect", "../../../src/core/settings/Settings.ts"].map((name) =>
    import.meta.resolve(name),
  )
  const script = `
    import { Effect, Redacted } from ${JSON.stringify(modules[0])}
    import { Settings } from ${JSON.stringify(modules[1])}
    const settings = Effect.runSync(Settings.pipe(Effect.provide(Settings.layer)))
    const { PORT, LOG_LEVEL, secretKeys } = settings
    console.log(JSON.stringify({ PORT, LOG_LEVEL, secret: Redacted.value(secretKeys[0]) }))`
  const args = ["--input-type=module-typescript", "--eval", script]
  const Output = Schema.fromJsonString(
    Schema.Struct({ PORT: Schema.Int, LOG_LEVEL: Schema.String, secret: Schema.String }),
  )

  const start = (cwd: string, env: Environment) =>
    Effect.promise(() => promisify(execFile)(process.execPath, args, { cwd, env })).pipe(
      Effect.flatMap(({ stdout }) => Schema.decodeEffect(Output)(stdout)),
    )

  it.live("read .env in the working directory, and the environment wins", () =>
    Effect.gen(function* () {
      const cwd = mkdtempSync(join(directory, "cwd-"))
      writeFileSync(join(cwd, ".env"), `PORT=9001\nLOG_LEVEL="ERROR"\nSECRET_KEY='${key}' # ours\n`)
      const found = yield* start(cwd, { PORT: "9002", LOG_LEVEL: "" })
      assert.deepStrictEqual(found, { PORT: 9002, LOG_LEVEL: "ERROR", secret: key })
    }),
  )

  it.live(
    "share one generated key among processes that start together, readable by its owner only",
    () =>
      Effect.gen(function* () {
        const cwd = mkdtempSync(join(directory, "cwd-"))
        const found = yield* Effect.all(
          Array.from({ length: 2 }, () => start(cwd, {})),
          { concurrency: "unbounded" },
        )
        const keyFile = join(cwd, ".data", "secret_key")
        const secret = readFileSync(keyFile, "utf8")
        assert.isAtLeast(secret.length, 32)
        assert.deepStrictEqual(
          found.map((one) => one.secret),
          [secret, secret],
        )
        assert.strictEqual(statSync(keyFile).mode & 0o777, 0o600)
      }),
  )

  it.effect("refuse a damaged key file", () =>
    Effect.gen(function* () {
      writeFileSync(join(directory, "secret_key"), "cut")
      assert.deepStrictEqual(yield* refused({ SECRET_KEY: undefined, DATA_DIR: directory }), [
        "DATA_DIR",
      ])
    }),
  )
})
