import { Schema } from "effect"

/** `google` is Gemini. `echo` needs no account: it repeats the last user message, for trying things out. */
export const aiProviders = ["openai", "anthropic", "google", "echo"] as const
export const AiProviderName = Schema.Literals(aiProviders)
export type AiProviderName = typeof AiProviderName.Type

export interface AiModel {
  readonly provider: AiProviderName
  readonly model: string
}

interface Catalogue {
  /** Matches the names of the provider's models. */
  readonly family: RegExp
  /** The name in OpenTelemetry's GenAI semantic conventions. */
  readonly telemetryName: string
  /** The smallest context window of the models, in tokens. */
  readonly minContextWindow: number
  /** The default models by complexity. A complexity without one uses the default model of the settings. */
  readonly defaults: {
    readonly moderate: string
    readonly simple?: string
    readonly complex?: string
  }
  /** Other models that metrics label by name. */
  readonly others: ReadonlyArray<string>
}

/** The models of each provider. To add a model, add one line. */
export const aiModels: Readonly<Record<AiProviderName, Catalogue>> = {
  openai: {
    family: /^(?:gpt-|chatgpt-|o\d)/,
    telemetryName: "openai",
    minContextWindow: 128_000,
    defaults: { moderate: "gpt-4o", simple: "gpt-4o-mini", complex: "gpt-4.1" },
    others: [
      "gpt-4.1-mini",
      "gpt-4.1-nano",
      "gpt-5",
      "gpt-5-mini",
      "gpt-5-nano",
      "o3",
      "o3-mini",
      "o4-mini",
    ],
  },
  anthropic: {
    family: /^claude-/,
    telemetryName: "anthropic",
    minContextWindow: 200_000,
    defaults: {
      moderate: "claude-sonnet-5-5",
      simple: "claude-haiku-4-5",
      complex: "claude-opus-5-5",
    },
    others: ["claude-opus-4-1", "claude-sonnet-4-5"],
  },
  google: {
    family: /^gemini-/,
    telemetryName: "gcp.gemini",
    minContextWindow: 1_000_000,
    defaults: { moderate: "gemini-3.8-flash", simple: "gemini-3.5-flash-lite" },
    others: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"],
  },
  echo: {
    family: /^echo$/,
    telemetryName: "echo",
    minContextWindow: 128_000,
    defaults: { moderate: "echo" },
    others: [],
  },
}

/** The provider of a model, by the model's name; null for an unknown name. */
export const providerOfModel = (model: string): AiProviderName | null =>
  aiProviders.find((provider) => aiModels[provider].family.test(model)) ?? null

/** Models that metrics label by name, beside those in the settings. All others are `other`, to bound the labels. */
export const knownModels = (): ReadonlyArray<string> =>
  Object.values(aiModels).flatMap(({ defaults, others }) => Object.values(defaults).concat(others))

/** Tests for OpenAI's reasoning models, which accept neither `temperature` nor `max_tokens`. */
export const isReasoningModel = (model: string) => /^(?:o\d|gpt-(?:[5-9]|\d\d))/.test(model)
