import { Option, type Redacted, Schema } from "effect"
import { AiProviderName, Complexity, providerOfModel } from "../domain/Ai.ts"
import type { Problem, Values } from "./Env.ts"

export interface AiModel {
  readonly provider: AiProviderName
  readonly model: string
}

/** A provider over HTTP, with all that it needs. `baseUrl` null: the vendor's own. */
export interface AiVendorSettings {
  readonly provider: "openai" | "anthropic" | "google"
  readonly apiKey: Redacted.Redacted
  readonly baseUrl: string | null
}

export interface AiSettings {
  /** Those with a key; `echo` where there is no key in `local`, or where it is asked for by name. */
  readonly providers: ReadonlyArray<AiVendorSettings | { readonly provider: "echo" }>
  readonly default: AiModel
  readonly routes: Readonly<Record<Complexity, AiModel>>
  /** In order; without the ones that are not set up. */
  readonly fallbacks: ReadonlyArray<AiModel>
}

/** A provider, and where it is told its model. */
type Choice = { readonly provider: AiProviderName; readonly model: string | null }
export type AiRoutes = Readonly<Partial<Record<Complexity, AiModel>>>

const isProvider = Schema.is(AiProviderName)

/** Google's models are better known by their own name. */
export const aiProviderOf = (text: string): AiProviderName | null => {
  if (text === "gemini") return "google"
  return isProvider(text) ? text : null
}

/** `provider` or `provider/model`; in a model's name there may be slashes. */
const choiceOf = (text: string): Choice | null => {
  const [name = "", ...rest] = text.split("/")
  const provider = aiProviderOf(name)
  const model = rest.join("/")
  if (provider === null || (rest.length > 0 && model === "")) return null
  return { provider, model: rest.length === 0 ? null : model }
}

/** Null: one of them is none. */
export const aiChoicesOf = (list: string): ReadonlyArray<Choice> | null => {
  const choices = list.split(",").map((entry) => choiceOf(entry.trim()))
  const valid = choices.filter((choice) => choice !== null)
  return valid.length === choices.length ? valid : null
}

const routesIn = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.String)),
)
const isComplexity = Schema.is(Complexity)

/** Null: not a JSON object of complexities and `provider/model`. */
export const aiRoutesOf = (json: string): AiRoutes | null => {
  const found = routesIn(json)
  if (Option.isNone(found)) return null
  const routes: Partial<Record<Complexity, AiModel>> = {}
  for (const [complexity, text] of Object.entries(found.value)) {
    const choice = choiceOf(text)
    if (!isComplexity(complexity) || choice === null || choice.model === null) return null
    routes[complexity] = { provider: choice.provider, model: choice.model }
  }
  return routes
}

/** `echo` answers nobody's questions. A variable that could not be decoded is undefined: reported already. */
export const aiProblems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  if (values.ENVIRONMENT !== "production") return []
  const routes: AiRoutes = values.AI_ROUTES ?? {}
  const named = {
    AI_DEFAULT_PROVIDER: [values.AI_DEFAULT_PROVIDER],
    AI_FALLBACK_PROVIDERS: (values.AI_FALLBACK_PROVIDERS ?? []).map(nameOf),
    AI_ROUTES: Object.values(routes).map(nameOf),
  }
  return Object.entries(named)
    .filter(([, providers]) => providers.includes("echo"))
    .map(([name]) => ({ name, message: "must not name echo in production" }))
}

const models: Readonly<
  Record<AiProviderName, { readonly model: string; simple?: string; complex?: string }>
> = {
  openai: { model: "gpt-4o", simple: "gpt-4o-mini", complex: "gpt-4.1" },
  anthropic: { model: "claude-sonnet-5-5", simple: "claude-haiku-4-5", complex: "claude-opus-5-5" },
  google: { model: "gemini-3.8-flash", simple: "gemini-3.5-flash-lite" },
  echo: { model: "echo" },
}

const vendorsOf = (values: Values): ReadonlyArray<AiVendorSettings> => {
  const keys = [
    ["openai", values.OPENAI_API_KEY, values.OPENAI_BASE_URL],
    ["anthropic", values.ANTHROPIC_API_KEY, values.ANTHROPIC_BASE_URL],
    ["google", values.GOOGLE_API_KEY, values.GOOGLE_BASE_URL],
  ] as const
  return keys.flatMap(([provider, apiKey, baseUrl]) =>
    apiKey === null ? [] : [{ provider, apiKey, baseUrl }],
  )
}

export const aiSettings = (values: Values): AiSettings => {
  const { AI_FALLBACK_PROVIDERS, AI_ROUTES, ENVIRONMENT } = values
  const vendors = vendorsOf(values)
  if (ENVIRONMENT === "local" && vendors.length === 0) return onlyEcho

  const provider = values.AI_DEFAULT_PROVIDER ?? vendors[0]?.provider ?? "openai"
  const first = { provider, model: modelFor(provider, values.AI_DEFAULT_MODEL) }
  const { complex, simple } = models[provider]
  const routes = {
    simple: { provider, model: simple ?? first.model },
    moderate: first,
    complex: { provider, model: complex ?? first.model },
    search: first,
    ...AI_ROUTES,
  }
  const named = [provider, ...[...Object.values(routes), ...AI_FALLBACK_PROVIDERS].map(nameOf)]
  const providers = named.includes("echo") ? [...vendors, echo] : vendors
  const known = new Set(providers.map(nameOf))
  return {
    providers,
    default: first,
    routes,
    fallbacks: AI_FALLBACK_PROVIDERS.filter((choice) => known.has(choice.provider)).map(
      (choice) => ({
        provider: choice.provider,
        model: choice.model ?? models[choice.provider].model,
      }),
    ),
  }
}

const nameOf = ({ provider }: { readonly provider: AiProviderName }) => provider

/** AI_DEFAULT_MODEL, unless it is known to be another provider's. */
const modelFor = (provider: AiProviderName, told: string | null) => {
  const family = told === null ? null : providerOfModel(told)
  return told === null || provider === "echo" || (family !== null && family !== provider)
    ? models[provider].model
    : told
}

const echo = { provider: "echo" } as const
const echoes: AiModel = { provider: "echo", model: models.echo.model }

/** Whatever else is told: who copied .env.example has no account yet. */
const onlyEcho: AiSettings = {
  providers: [echo],
  default: echoes,
  routes: { simple: echoes, moderate: echoes, complex: echoes, search: echoes },
  fallbacks: [],
}
