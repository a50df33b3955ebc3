import { Config, Option, type Redacted, Schema } from "effect"
import { Complexity } from "../../../domain/ai/Ai.ts"
import {
  type AiModel,
  aiModels,
  AiProviderName,
  aiProviders,
  providerOfModel,
} from "../../../domain/ai/AiModels.ts"
import type * as Process from "../Process.ts"
import { checked, line, optional, type Problem, secret, url, type ValuesOf } from "../Variables.ts"

export const variables = () => ({
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
})

type Values = ValuesOf<typeof variables> & Process.Values

/** The settings of an HTTP provider. A null `baseUrl` means the vendor's default. */
export interface AiVendorSettings {
  readonly provider: Exclude<AiProviderName, "echo">
  readonly apiKey: Redacted.Redacted
  readonly baseUrl: string | null
}

export interface AiSettings {
  /** Providers with an API key. Includes `echo` if it is named, or in `local` if no key is set. */
  readonly providers: ReadonlyArray<AiVendorSettings | { readonly provider: "echo" }>
  readonly default: AiModel
  readonly routes: Readonly<Record<Complexity, AiModel>>
  /** Fallbacks in order. Providers that are not configured are omitted. */
  readonly fallbacks: ReadonlyArray<AiModel>
}

/** A provider and, if specified, its model. */
type Choice = { readonly provider: AiProviderName; readonly model: string | null }
type AiRoutes = Readonly<Partial<Record<Complexity, AiModel>>>

const isProvider = Schema.is(AiProviderName)

/** Returns the provider of a name. Accepts `gemini` for Google. */
const aiProviderOf = (text: string): AiProviderName | null => {
  if (text === "gemini") return "google"
  return isProvider(text) ? text : null
}

/** Parses `provider` or `provider/model`. A model name may contain slashes. */
const choiceOf = (text: string): Choice | null => {
  const [name = "", ...rest] = text.split("/")
  const provider = aiProviderOf(name)
  const model = rest.join("/")
  if (provider === null || (rest.length > 0 && model === "")) return null
  return { provider, model: rest.length === 0 ? null : model }
}

/** Parses a comma-separated list. Returns null if any entry is invalid. */
const aiChoicesOf = (list: string): ReadonlyArray<Choice> | null => {
  const choices = list.split(",").map((entry) => choiceOf(entry.trim()))
  const valid = choices.filter((choice) => choice !== null)
  return valid.length === choices.length ? valid : null
}

const decodeRoutes = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.String)),
)
const isComplexity = Schema.is(Complexity)

/** Parses a JSON object from complexity to `provider/model`. Returns null if it is invalid. */
const aiRoutesOf = (json: string): AiRoutes | null => {
  const decoded = decodeRoutes(json)
  if (Option.isNone(decoded)) return null
  const routes: Partial<Record<Complexity, AiModel>> = {}
  for (const [complexity, text] of Object.entries(decoded.value)) {
    const choice = choiceOf(text)
    if (!isComplexity(complexity) || choice === null || choice.model === null) return null
    routes[complexity] = { provider: choice.provider, model: choice.model }
  }
  return routes
}

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

/** Rejects `echo` in production. */
export const problems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  if (values.ENVIRONMENT !== "production") return []
  const routes: AiRoutes = values.AI_ROUTES ?? {}
  const namedProviders = {
    AI_DEFAULT_PROVIDER: [values.AI_DEFAULT_PROVIDER],
    AI_FALLBACK_PROVIDERS: (values.AI_FALLBACK_PROVIDERS ?? []).map(providerOf),
    AI_ROUTES: Object.values(routes).map(providerOf),
  }
  return Object.entries(namedProviders)
    .filter(([, providers]) => providers.includes("echo"))
    .map(([name]) => ({ name, message: "must not name echo in production" }))
}

/** The variables of each vendor: its API key and its base URL. */
const vendorVariables = {
  openai: ["OPENAI_API_KEY", "OPENAI_BASE_URL"],
  anthropic: ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"],
  google: ["GOOGLE_API_KEY", "GOOGLE_BASE_URL"],
} as const satisfies Readonly<
  Record<AiVendorSettings["provider"], readonly [keyof Values, keyof Values]>
>

const vendors = aiProviders.filter((provider) => provider !== "echo")

/** The variables that configure a provider. */
export const aiKeys = vendors.map((vendor) => vendorVariables[vendor][0])

const vendorsOf = (values: Values): ReadonlyArray<AiVendorSettings> =>
  vendors.flatMap((provider) => {
    const [key, url] = vendorVariables[provider]
    const apiKey = values[key]
    return apiKey === null ? [] : [{ provider, apiKey, baseUrl: values[url] }]
  })

export interface Derived {
  readonly ai: AiSettings
}

export const derive = (values: Values): Derived => ({ ai: aiSettings(values) })

const aiSettings = (values: Values): AiSettings => {
  const { AI_FALLBACK_PROVIDERS, AI_ROUTES, ENVIRONMENT } = values
  const configured = vendorsOf(values)
  if (ENVIRONMENT === "local" && configured.length === 0) return echoOnly

  const provider = values.AI_DEFAULT_PROVIDER ?? configured[0]?.provider ?? "openai"
  const defaultModel = { provider, model: modelFor(provider, values.AI_DEFAULT_MODEL) }
  const { complex, simple } = aiModels[provider].defaults
  const routes = {
    simple: { provider, model: simple ?? defaultModel.model },
    moderate: defaultModel,
    complex: { provider, model: complex ?? defaultModel.model },
    search: defaultModel,
    ...AI_ROUTES,
  }
  const namedProviders = [
    provider,
    ...[...Object.values(routes), ...AI_FALLBACK_PROVIDERS].map(providerOf),
  ]
  const providers = namedProviders.includes("echo") ? [...configured, echo] : configured
  const known = new Set(providers.map(providerOf))
  return {
    providers,
    default: defaultModel,
    routes,
    fallbacks: AI_FALLBACK_PROVIDERS.filter((choice) => known.has(choice.provider)).map(
      (choice) => ({
        provider: choice.provider,
        model: choice.model ?? aiModels[choice.provider].defaults.moderate,
      }),
    ),
  }
}

const providerOf = ({ provider }: { readonly provider: AiProviderName }) => provider

/** Returns AI_DEFAULT_MODEL, unless it is a known model of another provider. */
const modelFor = (provider: AiProviderName, configured: string | null) => {
  const family = configured === null ? null : providerOfModel(configured)
  return configured === null || provider === "echo" || (family !== null && family !== provider)
    ? aiModels[provider].defaults.moderate
    : configured
}

const echo = { provider: "echo" } as const
const echoModel: AiModel = { provider: "echo", model: aiModels.echo.defaults.moderate }

/** Replaces all other AI settings, because a copied .env.example has no API keys yet. */
const echoOnly: AiSettings = {
  providers: [echo],
  default: echoModel,
  routes: { simple: echoModel, moderate: echoModel, complex: echoModel, search: echoModel },
  fallbacks: [],
}
