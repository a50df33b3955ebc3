import { Schema } from "effect"
import { AiProviderName } from "./AiModels.ts"

export const Complexity = Schema.Literals(["simple", "moderate", "complex", "search"])
export type Complexity = typeof Complexity.Type

export const FinishReason = Schema.Literals(["stop", "length", "content_filter"])
export type FinishReason = typeof FinishReason.Type

export interface AiMessage {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

/** One call to a provider. `key` is the idempotency key, equal for retries of the same request; null without one. */
export interface AiCall {
  readonly model: string
  readonly messages: ReadonlyArray<AiMessage>
  readonly temperature: number
  readonly max_tokens: number
  readonly key: string | null
}

/** Token counts reported by the provider. Null means not reported, which differs from 0. */
export interface AiTokens {
  readonly prompt: number | null
  readonly completion: number | null
}

export interface AiAnswer {
  readonly content: string
  /** The model that answered, as the provider names it. */
  readonly model: string
  readonly finish_reason: FinishReason
  readonly tokens: AiTokens
}

/** One part of a streamed answer. A null field carries no information; a later value replaces an earlier one. */
export interface AiPart {
  readonly text: string
  readonly model: string | null
  readonly finish_reason: FinishReason | null
  readonly tokens: AiTokens | null
}

const failureMessages = {
  invalid_request: "the request is not valid for this model",
  content_policy: "the request violates the content policy",
  context_length: "the messages exceed the model's context window",
  authentication: "the API key was rejected",
  rate_limited: "too many requests",
  overloaded: "the provider is overloaded",
  unavailable: "no response, or an invalid one",
}

/**
 * A call that failed, or a stream that broke. `reason` decides whether another provider is tried or the caller gets the
 * error. `retry_after` is in seconds, when known. `cause` holds no text from the provider, which may repeat a prompt.
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

/** A request to the gateway. With `model` null, `complexity` chooses the model; with both null, the default is used. */
export interface AiRequest {
  readonly messages: ReadonlyArray<AiMessage>
  readonly model: string | null
  readonly complexity: Complexity | null
  readonly temperature: number
  readonly max_tokens: number
}

/** Token counts; estimated where the provider did not report them. */
export const AiUsage = Schema.Struct({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.Int,
}).annotate({ identifier: "AiUsage" })
export type AiUsage = typeof AiUsage.Type

/** A complete answer. `latency_ms` runs from the request to the end of the answer, including all attempts. */
export const AiCompletion = Schema.Struct({
  content: Schema.String,
  model: Schema.String,
  provider: AiProviderName,
  usage: AiUsage,
  finish_reason: FinishReason,
  latency_ms: Schema.Int,
}).annotate({ identifier: "AiCompletion" })
export type AiCompletion = typeof AiCompletion.Type

/** Events of a streamed answer: text deltas, then one `end` with the totals. */
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
