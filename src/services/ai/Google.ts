import { Effect, Option, Redacted, Result, Schema } from "effect"
import type { AiVendorSettings } from "../../core/settings/providers/Ai.ts"
import type { AiCall, AiPart, AiTokens, FinishReason } from "../../domain/ai/Ai.ts"
import * as Failure from "./Failure.ts"
import * as Provider from "./Provider.ts"
import { vendorFetch } from "./Transport.ts"

/** Gemini: https://ai.google.dev/api/generate-content */
export const make = Effect.fnUntraced(function* ({ apiKey, baseUrl }: AiVendorSettings) {
  const fetch = yield* vendorFetch
  const { GoogleGenAI } = yield* Effect.promise(() => import("@google/genai"))
  // The SDK reads options that are not set here from the environment.
  const { models } = new GoogleGenAI({
    apiKey: Redacted.value(apiKey),
    enterprise: false,
    apiVersion: "v1beta",
    httpOptions: { baseUrl: baseUrl ?? "https://generativelanguage.googleapis.com", fetch },
  })

  return yield* Provider.make({
    provider: "google",
    complete: (call, signal) => models.generateContent(paramsOf(call, signal)),
    stream: (call, signal) => models.generateContentStream(paramsOf(call, signal)),
    answerOf: (body) =>
      Result.flatMap(partOf(body), ({ finish_reason, model, text, tokens }) =>
        finish_reason === null
          ? Result.fail(Failure.unusable)
          : Result.succeed({
              content: text,
              model: model ?? "",
              finish_reason,
              tokens: tokens ?? { prompt: null, completion: null },
            }),
      ),
    partOf,
  })
})

const paramsOf = (
  { max_tokens, messages, model, temperature }: AiCall,
  abortSignal: AbortSignal,
) => {
  const system = messages.filter(({ role }) => role === "system")
  return {
    model,
    contents: messages
      .filter(({ role }) => role !== "system")
      .map(({ content, role }) => ({
        role: role === "assistant" ? "model" : "user",
        parts: [{ text: content }],
      })),
    config: {
      temperature,
      maxOutputTokens: max_tokens,
      ...(system.length > 0 && {
        systemInstruction: { parts: system.map(({ content }) => ({ text: content })) },
      }),
      abortSignal,
      // The SDK would call the model again by default.
      automaticContinuation: false,
      automaticFunctionCalling: { disable: true },
    },
  }
}

const OptionalText = Schema.optional(Schema.String)
const Count = Schema.optional(Schema.Unknown)

const Answer = Schema.Struct({
  modelVersion: OptionalText,
  candidates: Schema.optional(
    Schema.Array(
      Schema.Struct({
        content: Schema.optional(
          Schema.Struct({
            parts: Schema.optional(
              Schema.Array(
                Schema.Struct({ text: OptionalText, thought: Schema.optional(Schema.Boolean) }),
              ),
            ),
          }),
        ),
        finishReason: OptionalText,
      }),
    ),
  ),
  promptFeedback: Schema.optional(Schema.Struct({ blockReason: OptionalText })),
  usageMetadata: Schema.optional(
    Schema.Struct({
      promptTokenCount: Count,
      candidatesTokenCount: Count,
      thoughtsTokenCount: Count,
    }),
  ),
})

/** Decodes a chunk of a stream, or a complete response, which has the same format. */
const partOf = (chunk: unknown): Result.Result<AiPart, Failure.Failure> => {
  const decoded = Schema.decodeUnknownOption(Answer)(chunk)
  if (Option.isNone(decoded)) return Result.fail(Failure.unusable)
  const { candidates = [], modelVersion, promptFeedback, usageMetadata } = decoded.value
  const [candidate] = candidates
  if (candidate === undefined && promptFeedback?.blockReason !== undefined) {
    return Result.fail(Failure.blocked)
  }
  const visibleParts = (candidate?.content?.parts ?? []).filter(({ thought }) => thought !== true)
  const finish = candidate?.finishReason
  return Result.succeed({
    text: visibleParts.map(({ text }) => text ?? "").join(""),
    model: modelVersion ?? null,
    finish_reason: finish === undefined ? null : finishOf(finish),
    tokens: usageMetadata === undefined ? null : tokensOf(usageMetadata),
  })
}

/** Thinking tokens count as completion tokens, because they are billed as such. */
const tokensOf = (usage: NonNullable<(typeof Answer.Type)["usageMetadata"]>): AiTokens => {
  const output = Provider.countOf(usage.candidatesTokenCount)
  const thinking = Provider.countOf(usage.thoughtsTokenCount)
  return {
    prompt: Provider.countOf(usage.promptTokenCount),
    completion: output === null && thinking === null ? null : (output ?? 0) + (thinking ?? 0),
  }
}

const filterReasons = new Set([
  "SAFETY",
  "RECITATION",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "IMAGE_SAFETY",
])

const finishOf = (reason: string): FinishReason => {
  // CONTINUATION: another call would return the rest.
  if (reason === "MAX_TOKENS" || reason === "CONTINUATION") return "length"
  return filterReasons.has(reason) ? "content_filter" : "stop"
}
