import { existsSync, readFileSync } from "node:fs"
import { parseEnv } from "node:util"
import {
  type Config,
  ConfigProvider,
  Context,
  Data,
  Effect,
  Layer,
  Result,
  SchemaIssue,
} from "effect"
import * as DataDirectory from "./DataDirectory.ts"
import { derive, problems as ruleProblems, type Values, variables } from "./Env.ts"
import type { Problem } from "./Variables.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment is invalid. Contains every invalid variable, so that one start reports them all. */
export class SettingsError extends Data.TaggedError("SettingsError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message() {
    return this.problems.map(({ name, message }) => `${name}: ${message}`).join("\n")
  }
}

/**
 * The configuration of the process: the variables under their own names (`Env.ts`), and values derived from them. Reads
 * the environment and `.env` in the working directory. The environment takes precedence, and an empty value counts as
 * unset. Read once, while layers are built; nothing else reads the environment.
 */
export class Settings extends Context.Service<Settings, ReturnType<typeof derive>>()(
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
const load = (env: NonEmptyValues): Effect.Effect<Settings["Service"], SettingsError> => {
  const { values, problems } = decode(env)
  const allProblems = [...problems, ...ruleProblems(values)]
  if (!isComplete(values) || allProblems.length > 0) {
    return Effect.fail(new SettingsError({ problems: allProblems }))
  }
  return Effect.try({
    try: () => derive(values),
    catch: () => new SettingsError({ problems: [DataDirectory.notWritable] }),
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
