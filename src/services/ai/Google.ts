import { Effect, Option, Redacted, Result, Schema } from "effect"
import type { AiVendorSettings } from "../../core/AiSettings.ts"
import type { AiCall, AiDelta, AiTokens, FinishReason } from "../../domain/Ai.ts"
import * as Failure from "./Failure.ts"
import * as Provider from "./Provider.ts"
import { fetching } from "./Transport.ts"

/** Gemini: https://ai.google.dev/api/generate-content */
export const make = Effect.fnUntraced(function* ({ apiKey, baseUrl }: AiVendorSettings) {
  const fetch = yield* fetching
  const { GoogleGenAI } = yield* Effect.promise(() => import("@google/genai"))
  // What is not told here is read from the environment.
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
          ? Result.fail(Failure.garbage)
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
      // The SDK would call again by itself.
      automaticContinuation: false,
      automaticFunctionCalling: { disable: true },
    },
  }
}

const Word = Schema.optional(Schema.String)
const Count = Schema.optional(Schema.Unknown)

const Answer = Schema.Struct({
  modelVersion: Word,
  candidates: Schema.optional(
    Schema.Array(
      Schema.Struct({
        content: Schema.optional(
          Schema.Struct({
            parts: Schema.optional(
              Schema.Array(Schema.Struct({ text: Word, thought: Schema.optional(Schema.Boolean) })),
            ),
          }),
        ),
        finishReason: Word,
      }),
    ),
  ),
  promptFeedback: Schema.optional(Schema.Struct({ blockReason: Word })),
  usageMetadata: Schema.optional(
    Schema.Struct({
      promptTokenCount: Count,
      candidatesTokenCount: Count,
      thoughtsTokenCount: Count,
    }),
  ),
})

/** A whole answer is one part. */
const partOf = (chunk: unknown): Result.Result<AiDelta, Failure.Failure> => {
  const decoded = Schema.decodeUnknownOption(Answer)(chunk)
  if (Option.isNone(decoded)) return Result.fail(Failure.garbage)
  const { candidates = [], modelVersion, promptFeedback, usageMetadata } = decoded.value
  const [candidate] = candidates
  if (candidate === undefined && promptFeedback?.blockReason !== undefined) {
    return Result.fail(Failure.blocked)
  }
  const said = (candidate?.content?.parts ?? []).filter(({ thought }) => thought !== true)
  const finish = candidate?.finishReason
  return Result.succeed({
    text: said.map(({ text }) => text ?? "").join(""),
    model: modelVersion ?? null,
    finish_reason: finish === undefined ? null : finishOf(finish),
    tokens: usageMetadata === undefined ? null : tokensOf(usageMetadata),
  })
}

/** Thoughts are billed as part of the answer. */
const tokensOf = (usage: NonNullable<(typeof Answer.Type)["usageMetadata"]>): AiTokens => {
  const said = Provider.countOf(usage.candidatesTokenCount)
  const thought = Provider.countOf(usage.thoughtsTokenCount)
  return {
    prompt: Provider.countOf(usage.promptTokenCount),
    completion: said === null && thought === null ? null : (said ?? 0) + (thought ?? 0),
  }
}

const filtered = new Set([
  "SAFETY",
  "RECITATION",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "IMAGE_SAFETY",
])

const finishOf = (reason: string): FinishReason => {
  // Of the last, there would be more, for another call.
  if (reason === "MAX_TOKENS" || reason === "CONTINUATION") return "length"
  return filtered.has(reason) ? "content_filter" : "stop"
}
