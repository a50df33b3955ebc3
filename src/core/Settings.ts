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
import { aiProblems, type AiSettings, aiSettings } from "./AiSettings.ts"
import { authProblems, type AuthSettings, authSettings } from "./AuthSettings.ts"
import { type DatabaseSettings, databaseSettings } from "./DatabaseSettings.ts"
import { emailProblems, type EmailSettings, emailSettings } from "./EmailSettings.ts"
import { type Problem, type Values, variables } from "./Env.ts"
import { localSecret } from "./LocalSecret.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment cannot be used. Holds every bad variable, so that one start shows them all. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message() {
    return this.problems.map(({ name, message }) => `${name}: ${message}`).join("\n")
  }
}

type Secrets = readonly [Redacted.Redacted, ...ReadonlyArray<Redacted.Redacted>]

interface Derived {
  /** SECRET_KEY: the first signs, all verify. */
  readonly secretKeys: Secrets
  /** SECRET_KEY was made here and kept in DATA_DIR, which only `local` does. */
  readonly secretGenerated: boolean
  /** RPC_TOKEN: each opens `/rpc`. None: there is no such door. */
  readonly rpcTokens: ReadonlyArray<Redacted.Redacted>
  readonly database: DatabaseSettings
  readonly auth: AuthSettings
  /** Jobs run in the server too. */
  readonly jobsEmbedded: boolean
  readonly email: EmailSettings
  readonly ai: AiSettings
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
    Effect.suspend(() => dotEnv(".env")).pipe(
      Effect.flatMap((file) => load({ ...file, ...given(process.env) })),
    ),
  )

  /** From the given variables alone; for tests and tools. */
  static readonly layerFrom = (environment: Environment) =>
    Layer.effect(
      this,
      Effect.suspend(() => load(given(environment))),
    )
}

type Given = Readonly<Record<string, string>>

/** What has a value, without the white space around it. */
const given = (environment: Environment): Given =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => {
      const trimmed = value?.trim() ?? ""
      return trimmed === "" ? [] : [[name, trimmed] as const]
    }),
  )

const dotEnv = (file: string): Effect.Effect<Given, SettingsError> =>
  Effect.try({
    try: () => (existsSync(file) ? given(parseEnv(readFileSync(file, "utf8"))) : {}),
    catch: () => new SettingsError({ problems: [{ name: file, message: "cannot be read" }] }),
  })

/** Every variable decoded, then every rule between them; all problems at once. */
const load = (env: Given): Effect.Effect<Values & Derived, SettingsError> => {
  const { values, problems } = decode(env)
  const all = [...problems, ...contradictions(values)]
  if (!isComplete(values) || all.length > 0) {
    return Effect.fail(new SettingsError({ problems: all }))
  }
  return Effect.try({
    try: () => complete(values),
    catch: () => new SettingsError({ problems: [unusable] }),
  })
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const decode = (env: Given) => {
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

/** Rules over several variables. One that could not be decoded is undefined here, and reported already. */
const contradictions = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const { DATABASE_URL, DATA_DIR, ENVIRONMENT, SECRET_KEY } = values
  const problems: Array<Problem> = [
    ...weakSecrets(values),
    ...authProblems(values),
    ...emailProblems(values),
    ...aiProblems(values),
  ]
  const refuse = (name: keyof Values, message: string) => problems.push({ name, message })

  if (SECRET_KEY === null && ENVIRONMENT !== undefined && ENVIRONMENT !== "local") {
    refuse("SECRET_KEY", `is required in ${ENVIRONMENT}`)
  }
  if ((SECRET_KEY === null || DATABASE_URL === null) && DATA_DIR && !isUsable(DATA_DIR)) {
    problems.push(unusable)
  }
  if (ENVIRONMENT !== "production") return problems

  if (values.DEBUG) refuse("DEBUG", "must be off in production")
  if (
    DATABASE_URL === null ||
    (DATABASE_URL && databaseSettings(DATABASE_URL)?.dialect === "sqlite")
  ) {
    refuse("DATABASE_URL", "must name a PostgreSQL server in production")
  }
  if (values.REDIS_URL === null) refuse("REDIS_URL", "is required in production")
  return problems
}

const weakSecrets = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const production = values.ENVIRONMENT === "production"
  const weak = (
    name: "SECRET_KEY" | "SUPABASE_JWT_SECRET" | "METRICS_TOKEN" | "RPC_TOKEN",
    shortest: number,
  ) => {
    const secret = values[name]
    if (!secret) return []
    // Supabase and scrapers know no lists.
    const keys = name === "SECRET_KEY" || name === "RPC_TOKEN" ? secretList(secret) : [secret]
    const texts = keys.map(Redacted.value)
    if (texts.length === 0 || texts.some((text) => Buffer.byteLength(text) < shortest)) {
      return [{ name, message: `must have at least ${shortest} bytes` }]
    }
    return production && texts.some(isGuessable)
      ? [{ name, message: "must be random in production, as from: openssl rand -hex 32" }]
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

/** Words that no random text has by chance, few characters, or one part repeated. */
const isGuessable = (secret: string) => {
  const periods = Array.from({ length: Math.floor(secret.length / 2) }, (_, at) => at + 1)
  return (
    wellKnown.test(secret) ||
    new Set(secret).size < 8 ||
    periods.some((period) => secret.startsWith(secret.slice(period)))
  )
}

const secretList = (secret: Redacted.Redacted) =>
  Redacted.value(secret)
    .split(",")
    .map((key) => key.trim())
    .filter((key) => key !== "")
    .map((key) => Redacted.make(key))

const unusable: Problem = { name: "DATA_DIR", message: "must be a directory that can be written" }

/** The directory, or where it will be made. */
const isUsable = (directory: string): boolean => {
  const path = resolve(directory)
  if (!existsSync(path)) return isUsable(dirname(path))
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

const complete = (values: Values): Values & Derived => {
  const [first, ...rest] = values.SECRET_KEY === null ? [] : secretList(values.SECRET_KEY)
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
    rpcTokens: values.RPC_TOKEN === null ? [] : secretList(values.RPC_TOKEN),
    database,
    jobsEmbedded: values.JOBS_EMBEDDED ?? database.dialect === "sqlite",
    auth: authSettings(values, secretKeys),
    email: emailSettings(values),
    ai: aiSettings(values),
    docs: values.DOCS_ENABLED ?? values.ENVIRONMENT !== "production",
  }
}
