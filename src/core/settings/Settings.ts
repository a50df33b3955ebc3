import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
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
import { aiProblems, type AiSettings, aiSettings } from "./Ai.ts"
import { authProblems, type AuthSettings, authSettings } from "./Auth.ts"
import { type DatabaseSettings, databaseSettings } from "./Database.ts"
import { emailProblems, type EmailSettings, emailSettings } from "./Email.ts"
import { type Problem, type Values, variables } from "./Env.ts"
import { localSecret } from "./LocalSecret.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment is invalid. Contains every invalid variable, so that one start reports them all. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message() {
    return this.problems.map(({ name, message }) => `${name}: ${message}`).join("\n")
  }
}

type Secrets = readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>]

interface Derived {
  /** The keys in SECRET_KEY. The first key signs, all keys verify. */
  readonly secretKeys: Secrets
  /** True if the key was generated and stored in DATA_DIR, which happens only in `local`. */
  readonly secretGenerated: boolean
  /** The tokens in RPC_TOKEN. Each token gives access to `/rpc`. If there are none, `/rpc` is disabled. */
  readonly rpcTokens: ReadonlyArray<Redacted.Redacted>
  readonly database: DatabaseSettings
  readonly auth: AuthSettings
  /** True if the server runs jobs too. */
  readonly jobsEmbedded: boolean
  readonly email: EmailSettings
  readonly ai: AiSettings
  /** True if the OpenAPI document and Swagger UI are served. */
  readonly docs: boolean
}

/**
 * The configuration of the process: the variables under their own names (`Env.ts`), and values derived from them. Reads
 * the environment and `.env` in the working directory. The environment takes precedence, and an empty value counts as
 * unset. Read once, while layers are built; nothing else reads the environment.
 */
export class Settings extends Context.Service<Settings, Values & Derived>()(
  "plinth/core/settings/Settings",
) {
  /** Reads the environment of this process. */
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => dotEnv(".env")).pipe(
      Effect.flatMap((file) => load({ ...file, ...nonEmpty(process.env) })),
    ),
  )

  /** Reads only the given variables, for tests and tools. */
  static readonly layerFrom = (environment: Environment) =>
    Layer.effect(
      this,
      Effect.suspend(() => load(nonEmpty(environment))),
    )
}

type NonEmptyValues = Readonly<Record<string, string>>

/** Returns the variables that have a value, trimmed. */
const nonEmpty = (environment: Environment): NonEmptyValues =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => {
      const trimmed = value?.trim() ?? ""
      return trimmed === "" ? [] : [[name, trimmed] as const]
    }),
  )

const dotEnv = (file: string): Effect.Effect<NonEmptyValues, SettingsError> =>
  Effect.try({
    try: () => (existsSync(file) ? nonEmpty(parseEnv(readFileSync(file, "utf8"))) : {}),
    catch: () => new SettingsError({ problems: [{ name: file, message: "cannot be read" }] }),
  })

/** Decodes every variable and checks the rules between them. Reports all problems together. */
const load = (env: NonEmptyValues): Effect.Effect<Values & Derived, SettingsError> => {
  const { values, problems } = decode(env)
  const allProblems = [...problems, ...ruleProblems(values)]
  if (!isComplete(values) || allProblems.length > 0) {
    return Effect.fail(new SettingsError({ problems: allProblems }))
  }
  return Effect.try({
    try: () => derive(values),
    catch: () => new SettingsError({ problems: [dataDirProblem] }),
  })
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const decode = (env: NonEmptyValues) => {
  const provider = ConfigProvider.fromEnv({ env })
  const problems: Array<Problem> = []
  const values = Object.entries<Config.Config<unknown>>(variables()).map(([name, config]) => {
    const result = Effect.runSync(Effect.result(config.parse(provider)))
    if (Result.isSuccess(result)) return [name, result.success] as const
    const { cause } = result.failure
    const [issue] = "issue" in cause ? format(cause.issue).issues : []
    problems.push({ name, message: issue?.message ?? "is not valid" })
    return [name, undefined] as const
  })
  return { values: Object.fromEntries(values) as Partial<Values>, problems }
}

const isComplete = (values: Partial<Values>): values is Values =>
  Object.values(values).every((value) => value !== undefined)

/** Checks the rules between variables. An undefined value failed to decode and is already reported. */
const ruleProblems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const { DATABASE_URL, DATA_DIR, ENVIRONMENT, SECRET_KEY } = values
  const problems: Array<Problem> = [
    ...weakSecrets(values),
    ...authProblems(values),
    ...emailProblems(values),
    ...aiProblems(values),
  ]
  const report = (name: keyof Values, message: string) => problems.push({ name, message })

  if (SECRET_KEY === null && ENVIRONMENT !== undefined && ENVIRONMENT !== "local") {
    report("SECRET_KEY", `is required in ${ENVIRONMENT}`)
  }
  if (
    (SECRET_KEY === null || DATABASE_URL === null) &&
    DATA_DIR &&
    !isWritableDirectory(DATA_DIR)
  ) {
    problems.push(dataDirProblem)
  }
  if (ENVIRONMENT !== "production") return problems

  if (values.DEBUG) report("DEBUG", "must be off in production")
  if (
    DATABASE_URL === null ||
    (DATABASE_URL && databaseSettings(DATABASE_URL)?.dialect === "sqlite")
  ) {
    report("DATABASE_URL", "must name a PostgreSQL server in production")
  }
  if (values.REDIS_URL === null) report("REDIS_URL", "is required in production")
  return problems
}

const weakSecrets = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const production = values.ENVIRONMENT === "production"
  const weak = (
    name: "SECRET_KEY" | "SUPABASE_JWT_SECRET" | "METRICS_TOKEN" | "RPC_TOKEN",
    minBytes: number,
  ) => {
    const secret = values[name]
    if (!secret) return []
    // Supabase and scrapers support only a single secret.
    const keys = name === "SECRET_KEY" || name === "RPC_TOKEN" ? parseSecrets(secret) : [secret]
    const texts = keys.map(Redacted.value)
    if (texts.length === 0 || texts.some((text) => Buffer.byteLength(text) < minBytes)) {
      return [{ name, message: `must have at least ${minBytes} bytes` }]
    }
    return production && texts.some(isGuessable)
      ? [{ name, message: "must be random in production. Generate one with: openssl rand -hex 32" }]
      : []
  }
  return [
    ...weak("SECRET_KEY", 32),
    ...weak("SUPABASE_JWT_SECRET", 32),
    ...weak("RPC_TOKEN", 32),
    ...(production ? weak("METRICS_TOKEN", 16) : []),
  ]
}

const wellKnown = /secret|password|change-?_?me|example|^your[-_]|^(?:dev|test|local)[-_]/i

/** Tests for common words, few distinct characters, or one repeated part. Random text has none of them. */
const isGuessable = (secret: string) => {
  const periods = Array.from({ length: Math.floor(secret.length / 2) }, (_, at) => at + 1)
  return (
    wellKnown.test(secret) ||
    new Set(secret).size < 8 ||
    periods.some((period) => secret.startsWith(secret.slice(period)))
  )
}

const parseSecrets = (secret: Redacted.Redacted) =>
  Redacted.value(secret)
    .split(",")
    .map((key) => key.trim())
    .filter((key) => key !== "")
    .map((key) => Redacted.make(key))

const dataDirProblem: Problem = {
  name: "DATA_DIR",
  message: "must be a writable directory",
}

/** Tests the directory, or its closest existing parent, in which it will be created. */
const isWritableDirectory = (directory: string): boolean => {
  const path = resolve(directory)
  if (!existsSync(path)) return isWritableDirectory(dirname(path))
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

const derive = (values: Values): Values & Derived => {
  const [first, ...rest] = values.SECRET_KEY === null ? [] : parseSecrets(values.SECRET_KEY)
  const secretKeys: Secrets =
    first === undefined ? [localSecret(values.DATA_DIR)] : [first, ...rest]
  const database = (values.DATABASE_URL && databaseSettings(values.DATABASE_URL)) ?? {
    dialect: "sqlite",
    filename: join(values.DATA_DIR, "plinth.db"),
  }
  return {
    ...values,
    secretKeys,
    secretGenerated: first === undefined,
    rpcTokens: values.RPC_TOKEN === null ? [] : parseSecrets(values.RPC_TOKEN),
    database,
    jobsEmbedded: values.JOBS_EMBEDDED ?? database.dialect === "sqlite",
    auth: authSettings(values, secretKeys),
    email: emailSettings(values),
    ai: aiSettings(values),
    docs: values.DOCS_ENABLED ?? values.ENVIRONMENT !== "production",
  }
}
