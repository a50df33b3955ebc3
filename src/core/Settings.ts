import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseEnv } from "node:util"
import {
  type Config,
  ConfigProvider,
  Context,
  Data,
  Effect,
  Layer,
  Redacted,
  Result,
  SchemaIssue,
} from "effect"
import { type Values, variables } from "./Env.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** One bad variable. Its value is never part of it. */
export interface Problem {
  readonly name: string
  readonly message: string
}

/** The environment cannot be used. Holds every bad variable, so that one start shows them all. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message() {
    return this.problems.map(({ name, message }) => `${name}: ${message}`).join("\n")
  }
}

export type DatabaseSettings =
  | { readonly dialect: "sqlite"; readonly filename: string }
  | { readonly dialect: "pg"; readonly url: Redacted.Redacted }

/**
 * Who signs the tokens we accept, beside ourselves. `jwksUrl` verifies RS256 and ES256, `secrets` HS256;
 * `issuer` and `audience` are checked when they are not null.
 */
export interface AuthSettings {
  readonly provider: "supabase" | "clerk" | "custom"
  readonly issuer: string | null
  readonly audience: string | null
  readonly jwksUrl: string | null
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** The claim that seeds a new user's role, as a path. */
  readonly roleClaim: ReadonlyArray<string>
}

type Secrets = readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>]

interface Derived {
  /** SECRET_KEY: the first signs, all verify. */
  readonly secretKeys: Secrets
  /** SECRET_KEY was made here and kept in DATA_DIR, which only `local` does. */
  readonly secretGenerated: boolean
  readonly database: DatabaseSettings
  readonly auth: AuthSettings
  /** OpenAPI document and Swagger UI are served. */
  readonly docs: boolean
}

/**
 * What the process was told, under the variables' own names (`Env.ts`), and what follows from them. From the
 * environment and `.env` of the working directory: the environment wins, an empty value is an unset one. Read
 * once, while layers are built; nothing else reads the environment.
 */
export class Settings extends Context.Service<Settings, Values & Derived>()(
  "plinth/core/Settings",
) {
  /** From this process's environment. */
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => load({ ...dotEnv(), ...process.env })),
  )

  /** From the given variables alone; for tests and tools. */
  static readonly layerFrom = (environment: Environment) =>
    Layer.effect(
      this,
      Effect.suspend(() => load(environment)),
    )
}

const dotEnv = (): Environment => {
  if (!existsSync(".env")) return {}
  return parseEnv(readFileSync(".env", "utf8"))
}

/** Every variable decoded, then every rule between them; all problems at once. */
const load = (environment: Environment): Effect.Effect<Values & Derived, SettingsError> => {
  const env = nonEmpty(environment)
  const problems: Array<Problem> = []
  const values = decode(env, problems)
  problems.push(...contradictions(values))
  if (problems.length > 0) return Effect.fail(new SettingsError({ problems }))
  return Effect.try({
    try: () => complete(values as Values),
    catch: () =>
      new SettingsError({
        problems: [{ name: "DATA_DIR", message: "must be a writable directory" }],
      }),
  })
}

const nonEmpty = (environment: Environment) =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined || value.trim() === "" ? [] : [[name, value.trim()] as const],
    ),
  )

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const decode = (env: Record<string, string>, problems: Array<Problem>): Partial<Values> => {
  const provider = ConfigProvider.fromEnv({ env })
  const decoded = Object.entries<Config.Config<unknown>>(variables).map(([name, config]) => {
    const result = Effect.runSync(Effect.result(config.parse(provider)))
    if (Result.isSuccess(result)) return [name, result.success] as const
    const { cause } = result.failure
    const [issue] = "issue" in cause ? format(cause.issue).issues : []
    problems.push({ name, message: issue?.message ?? "is not valid" })
    return [name, undefined] as const
  })
  return Object.fromEntries(decoded)
}

const wellKnown = /^(?:secret|changeme|change-me|password|your-|supersecret|test|example|dev)/i

/** Rules over several variables. One that could not be decoded is undefined here, and reported already. */
const contradictions = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const refuse = (name: keyof Values, message: string) => problems.push({ name, message })
  const production = values.ENVIRONMENT === "production"
  const { SECRET_KEY, BACKEND_CORS_ORIGINS } = values

  const keys = SECRET_KEY ? secretList(SECRET_KEY).map(Redacted.value) : []
  if (SECRET_KEY && (keys.length === 0 || keys.some((key) => Buffer.byteLength(key) < 32))) {
    refuse("SECRET_KEY", "every key must have at least 32 bytes")
  } else if (keys.some((key) => new Set(key).size < 8 || (production && wellKnown.test(key)))) {
    refuse("SECRET_KEY", "must be random, e.g. from: openssl rand -base64 32")
  }
  if (SECRET_KEY === null && values.ENVIRONMENT !== undefined && values.ENVIRONMENT !== "local") {
    refuse("SECRET_KEY", `is required in ${values.ENVIRONMENT}`)
  }
  if (
    values.SUPABASE_JWT_SECRET &&
    Buffer.byteLength(Redacted.value(values.SUPABASE_JWT_SECRET)) < 32
  ) {
    refuse("SUPABASE_JWT_SECRET", "must have at least 32 bytes")
  }
  problems.push(...authContradictions(values))
  if (values.DATABASE_URL && databaseOf(values.DATABASE_URL) === undefined) {
    refuse("DATABASE_URL", "must be sqlite:<file> or postgres://user@host/database")
  }
  if (BACKEND_CORS_ORIGINS?.includes("*")) {
    refuse(
      "BACKEND_CORS_ORIGINS",
      "must list exact origins, because credentials are allowed; not *",
    )
  }
  if (!production) return problems

  if (values.DEBUG) refuse("DEBUG", "must be off in production")
  if (
    values.DATABASE_URL === null ||
    (values.DATABASE_URL && databaseOf(values.DATABASE_URL)?.dialect === "sqlite")
  ) {
    refuse("DATABASE_URL", "must name a PostgreSQL server in production")
  }
  return problems
}

const groups = {
  supabase: ["SUPABASE_PROJECT_URL", "SUPABASE_JWT_SECRET"],
  clerk: ["CLERK_ISSUER_URL", "CLERK_SECRET_KEY"],
  custom: ["OAUTH_JWKS_URL"],
} as const

type Provider = keyof typeof groups

/** The providers that have a variable set. */
const configured = (values: Partial<Values>) =>
  (["supabase", "clerk", "custom"] as const).filter((provider) =>
    groups[provider].some((name) => values[name] !== null && values[name] !== undefined),
  )

const providerOf = (values: Partial<Values>): Provider =>
  values.AUTH_PROVIDER ?? configured(values)[0] ?? "custom"

const authContradictions = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const found = configured(values)
  if (!values.AUTH_PROVIDER && found.length > 1) {
    return found.slice(1).map((provider) => ({
      name: groups[provider].find((name) => values[name]) ?? "AUTH_PROVIDER",
      message: `belongs to ${provider}, but ${found[0]} is set up too: choose with AUTH_PROVIDER`,
    }))
  }
  const provider = providerOf(values)
  if (
    provider === "supabase" &&
    values.SUPABASE_PROJECT_URL === null &&
    values.SUPABASE_JWT_SECRET === null
  ) {
    return [
      {
        name: "SUPABASE_PROJECT_URL",
        message: "or SUPABASE_JWT_SECRET is required by AUTH_PROVIDER",
      },
    ]
  }
  if (provider === "clerk" && values.CLERK_ISSUER_URL === null) {
    return [{ name: "CLERK_ISSUER_URL", message: "is required for Clerk" }]
  }
  const issued =
    values.OAUTH_ISSUER ||
    (provider === "clerk" ? true : provider === "supabase" && values.SUPABASE_PROJECT_URL)
  return values.ENVIRONMENT === "production" && values.OAUTH_ISSUER !== undefined && !issued
    ? [{ name: "OAUTH_ISSUER", message: "is required in production" }]
    : []
}

const secretList = (secret: Redacted.Redacted) =>
  Redacted.value(secret)
    .split(",")
    .map((key) => key.trim())
    .filter((key) => key !== "")
    .map((key) => Redacted.make(key))

/** `undefined` when the address names no database. A `+driver` suffix is ignored. */
const databaseOf = (url: Redacted.Redacted): DatabaseSettings | undefined => {
  const value = Redacted.value(url).replace(/^(\w+)\+\w+:/, "$1:")
  if (value.startsWith("sqlite:")) {
    const filename = value.slice("sqlite:".length).replace(/^\/\/(?=\/|$)/, "")
    return filename === "" ? undefined : { dialect: "sqlite", filename }
  }
  return URL.canParse(value) && new URL(value).hostname !== ""
    ? { dialect: "pg", url: Redacted.make(value) }
    : undefined
}

const complete = (values: Values): Values & Derived => {
  const [first, ...rest] = values.SECRET_KEY === null ? [] : secretList(values.SECRET_KEY)
  const secretKeys: Secrets =
    first === undefined ? [localSecret(values.DATA_DIR)] : [first, ...rest]
  return {
    ...values,
    secretKeys,
    secretGenerated: first === undefined,
    database: (values.DATABASE_URL && databaseOf(values.DATABASE_URL)) ?? {
      dialect: "sqlite",
      filename: join(values.DATA_DIR, "plinth.db"),
    },
    auth: authOf(values, secretKeys),
    docs: values.DOCS_ENABLED ?? values.ENVIRONMENT !== "production",
  }
}

const authOf = (values: Values, secretKeys: Secrets): AuthSettings => {
  const provider = providerOf(values)
  const audience = values.OAUTH_AUDIENCE
  const claim = (fallback: string) => (values.AUTH_ROLE_CLAIM ?? fallback).split(".")
  switch (provider) {
    case "supabase": {
      const base = values.SUPABASE_PROJECT_URL && `${values.SUPABASE_PROJECT_URL}/auth/v1`
      return {
        provider,
        issuer: values.OAUTH_ISSUER ?? base,
        audience,
        jwksUrl: base && `${base}/.well-known/jwks.json`,
        secrets: values.SUPABASE_JWT_SECRET === null ? [] : [values.SUPABASE_JWT_SECRET],
        roleClaim: claim("app_metadata.role"),
      }
    }
    case "clerk":
      return {
        provider,
        issuer: values.CLERK_ISSUER_URL,
        audience,
        jwksUrl: `${values.CLERK_ISSUER_URL}/.well-known/jwks.json`,
        secrets: [],
        roleClaim: claim("metadata.role"),
      }
    case "custom":
      return {
        provider,
        issuer: values.OAUTH_ISSUER,
        audience,
        jwksUrl: values.OAUTH_JWKS_URL,
        secrets: values.OAUTH_JWKS_URL === null ? secretKeys : [],
        roleClaim: claim("role"),
      }
  }
}

/** Made once and kept, so that tokens outlive a restart. Two first starts at once agree on one key. */
const localSecret = (directory: string) => {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, "secret_key")
  if (!existsSync(file)) {
    try {
      writeFileSync(file, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" })
    } catch {
      // Another process was first: its key is read below.
    }
  }
  chmodSync(file, 0o600)
  return Redacted.make(readFileSync(file, "utf8").trim())
}
