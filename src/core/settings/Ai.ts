import { Config, Option, type Redacted, Schema } from "effect"
import { AiProviderName, Complexity, providerOfModel } from "../../domain/Ai.ts"
import type * as Process from "./Process.ts"
import { checked, line, optional, type Problem, secret, url, type ValuesOf } from "./Variables.ts"

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

export interface AiModel {
  readonly provider: AiProviderName
  readonly model: string
}

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
    "must be one of openai, anthropic, google, echo",
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

const defaultModels: Readonly<
  Record<AiProviderName, { readonly model: string; simple?: string; complex?: string }>
> = {
  openai: { model: "gpt-4o", simple: "gpt-4o-mini", complex: "gpt-4.1" },
  anthropic: { model: "claude-sonnet-5-5", simple: "claude-haiku-4-5", complex: "claude-opus-5-5" },
  google: { model: "gemini-3.8-flash", simple: "gemini-3.5-flash-lite" },
  echo: { model: "echo" },
}

const vendorsOf = (values: Values): ReadonlyArray<AiVendorSettings> => {
  const credentials = [
    ["openai", values.OPENAI_API_KEY, values.OPENAI_BASE_URL],
    ["anthropic", values.ANTHROPIC_API_KEY, values.ANTHROPIC_BASE_URL],
    ["google", values.GOOGLE_API_KEY, values.GOOGLE_BASE_URL],
  ] as const
  return credentials.flatMap(([provider, apiKey, baseUrl]) =>
    apiKey === null ? [] : [{ provider, apiKey, baseUrl }],
  )
}

export interface Derived {
  readonly ai: AiSettings
}

export const derive = (values: Values): Derived => ({ ai: aiSettings(values) })

const aiSettings = (values: Values): AiSettings => {
  const { AI_FALLBACK_PROVIDERS, AI_ROUTES, ENVIRONMENT } = values
  const vendors = vendorsOf(values)
  if (ENVIRONMENT === "local" && vendors.length === 0) return echoOnly

  const provider = values.AI_DEFAULT_PROVIDER ?? vendors[0]?.provider ?? "openai"
  const defaultModel = { provider, model: modelFor(provider, values.AI_DEFAULT_MODEL) }
  const { complex, simple } = defaultModels[provider]
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
  const providers = namedProviders.includes("echo") ? [...vendors, echo] : vendors
  const known = new Set(providers.map(providerOf))
  return {
    providers,
    default: defaultModel,
    routes,
    fallbacks: AI_FALLBACK_PROVIDERS.filter((choice) => known.has(choice.provider)).map(
      (choice) => ({
        provider: choice.provider,
        model: choice.model ?? defaultModels[choice.provider].model,
      }),
    ),
  }
}

const providerOf = ({ provider }: { readonly provider: AiProviderName }) => provider

/** Returns AI_DEFAULT_MODEL, unless it is a known model of another provider. */
const modelFor = (provider: AiProviderName, configured: string | null) => {
  const family = configured === null ? null : providerOfModel(configured)
  return configured === null || provider === "echo" || (family !== null && family !== provider)
    ? defaultModels[provider].model
    : configured
}

const echo = { provider: "echo" } as const
const echoModel: AiModel = { provider: "echo", model: defaultModels.echo.model }

/** Replaces all other AI settings, because a copied .env.example has no API keys yet. */
const echoOnly: AiSettings = {
  providers: [echo],
  default: echoModel,
  routes: { simple: echoModel, moderate: echoModel, complex: echoModel, search: echoModel },
  fallbacks: [],
}
