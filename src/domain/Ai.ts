import { Schema } from "effect"

/** `google` is Gemini. `echo` needs no account: it repeats what it was told, for who tries things out. */
export const aiProviders = ["openai", "anthropic", "google", "echo"] as const
export const AiProviderName = Schema.Literals(aiProviders)
export type AiProviderName = typeof AiProviderName.Type

/** By the name of a model, whose it is; null: not to be told from it. */
export const providerOfModel = (model: string): AiProviderName | null => {
  if (/^(?:gpt-|chatgpt-|o\d)/.test(model)) return "openai"
  if (model.startsWith("claude-")) return "anthropic"
  if (model.startsWith("gemini-")) return "google"
  return model === "echo" ? "echo" : null
}

/** Those that a metric tells by name, beside the ones of the settings: their number is bounded. */
export const knownModels: ReadonlyArray<string> = [
  "gpt-4o",
  "gpt-4o-mini",
  "gpt-4.1",
  "gpt-4.1-mini",
  "gpt-4.1-nano",
  "gpt-5",
  "gpt-5-mini",
  "gpt-5-nano",
  "o3",
  "o3-mini",
  "o4-mini",
  "claude-opus-4-1",
  "claude-sonnet-4-5",
  "claude-haiku-4-5",
  "gemini-2.5-pro",
  "gemini-2.5-flash",
  "gemini-2.5-flash-lite",
  "echo",
]

export const Complexity = Schema.Literals(["simple", "moderate", "complex", "search"])
export type Complexity = typeof Complexity.Type

export const FinishReason = Schema.Literals(["stop", "length", "content_filter"])
export type FinishReason = typeof FinishReason.Type

export interface AiMessage {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

/** What a model of a provider is asked. `key`: the same for the same call; null where nobody repeats it. */
export interface AiCall {
  readonly model: string
  readonly messages: ReadonlyArray<AiMessage>
  readonly temperature: number
  readonly max_tokens: number
  readonly key: string | null
}

/** What the provider counted. Null: it did not say, which is another thing than 0. */
export interface AiTokens {
  readonly prompt: number | null
  readonly completion: number | null
}

export interface AiAnswer {
  readonly content: string
  /** The one that answered, by the provider's own words. */
  readonly model: string
  readonly finish_reason: FinishReason
  readonly tokens: AiTokens
}

/** A part of a streamed answer; what is not told in it is null, and what is told later holds. */
export interface AiDelta {
  readonly text: string
  readonly model: string | null
  readonly finish_reason: FinishReason | null
  readonly tokens: AiTokens | null
}

const failureMessages = {
  invalid_request: "the request is not valid for this model",
  content_policy: "the request is against the content policy",
  context_length: "the messages are longer than the model can read",
  authentication: "the API key is not accepted",
  rate_limited: "too many requests",
  overloaded: "it is overloaded",
  unavailable: "it did not answer as it should",
}

/**
 * A call that came to nothing, or a stream that broke. By `reason` is decided what comes next: another provider, or
 * the caller. `retry_after` in seconds, when it is known. `cause` holds no text of the provider's: it may repeat a prompt.
 */
export class AiError extends Schema.TaggedError<AiError>()("AiError", {
  provider: AiProviderName,
  reason: Schema.Literals([
    "invalid_request",
    "content_policy",
    "context_length",
    "authentication",
    "rate_limited",
    "overloaded",
    "unavailable",
  ]),
  retry_after: Schema.optionalKey(Schema.Int),
  cause: Schema.optionalKey(Schema.Defect()),
}) {
  override get message() {
    return `${this.provider}: ${failureMessages[this.reason]}`
  }
}

/** What a caller asks of the gateway. `model` null: chosen by `complexity`, or else the default one. */
export interface AiRequest {
  readonly messages: ReadonlyArray<AiMessage>
  readonly model: string | null
  readonly complexity: Complexity | null
  readonly temperature: number
  readonly max_tokens: number
}

/** In tokens; estimated where the provider did not say. */
export const AiUsage = Schema.Struct({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.Int,
}).annotate({ identifier: "AiUsage" })
export type AiUsage = typeof AiUsage.Type

/** A whole answer. `latency_ms` from the request to the end of the answer, all attempts included. */
export const AiCompletion = Schema.Struct({
  content: Schema.String,
  model: Schema.String,
  provider: AiProviderName,
  usage: AiUsage,
  finish_reason: FinishReason,
  latency_ms: Schema.Int,
}).annotate({ identifier: "AiCompletion" })
export type AiCompletion = typeof AiCompletion.Type

/** Of a streamed answer: texts, and at its end what it took. */
export const AiEvent = Schema.Union([
  Schema.TaggedStruct("delta", { text: Schema.String }),
  Schema.TaggedStruct("end", { completion: AiCompletion }),
])
export type AiEvent = typeof AiEvent.Type

export const AiStatus = Schema.Struct({
  available: Schema.Boolean,
  providers: Schema.Array(AiProviderName),
  default_provider: AiProviderName,
  default_model: Schema.String,
}).annotate({ identifier: "AiStatus" })
export type AiStatus = typeof AiStatus.Type
