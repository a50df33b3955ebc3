import { Effect, Option, Redacted, Result, Schema } from "effect"
import type { AiVendorSettings } from "../../core/settings/providers/Ai.ts"
import type { AiCall, AiTokens, FinishReason } from "../../domain/ai/Ai.ts"
import { isReasoningModel } from "../../domain/ai/AiModels.ts"
import * as Failure from "./Failure.ts"
import * as Provider from "./Provider.ts"
import { vendorFetch } from "./Transport.ts"

/** https://platform.openai.com/docs/api-reference/chat. Other vendors have compatible APIs: see OPENAI_BASE_URL. */
export const make = Effect.fnUntraced(function* ({ apiKey, baseUrl }: AiVendorSettings) {
  const fetch = yield* vendorFetch
  const { OpenAI } = yield* Effect.promise(() => import("openai"))
  // The SDK reads options that are not set here from the environment.
  const client = new OpenAI({
    apiKey: Redacted.value(apiKey),
    baseURL: baseUrl ?? "https://api.openai.com/v1",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: Provider.sdkTimeoutMs,
    logLevel: "off",
    fetch,
  })

  return yield* Provider.make({
    provider: "openai",
    complete: (call, signal) =>
      client.chat.completions.create(bodyOf(call), optionsOf(call, signal)),
    stream: (call, signal) =>
      client.chat.completions.create(
        { ...bodyOf(call), stream: true, stream_options: { include_usage: true } },
        optionsOf(call, signal),
      ),
    answerOf: (body) => {
      const decoded = Schema.decodeUnknownOption(Answer)(body)
      if (Option.isNone(decoded)) return Result.fail(Failure.unusable)
      const { choices, model, usage } = decoded.value
      const [{ finish_reason, message }] = choices
      return Result.succeed({
        content: message.content ?? message.refusal ?? "",
        model,
        finish_reason: finishOf(finish_reason ?? "stop"),
        tokens: tokensOf(usage) ?? { prompt: null, completion: null },
      })
    },
    partOf: (chunk) => {
      const decoded = Schema.decodeUnknownOption(Chunk)(chunk)
      if (Option.isNone(decoded)) return Result.fail(Failure.unusable)
      const { choices, model, usage } = decoded.value
      // The chunk with the usage has no choices.
      const [choice] = choices
      const finish = choice?.finish_reason ?? null
      return Result.succeed({
        text: choice?.delta.content ?? choice?.delta.refusal ?? "",
        model,
        finish_reason: finish === null ? null : finishOf(finish),
        tokens: tokensOf(usage),
      })
    },
  })
})

const optionsOf = ({ key }: AiCall, signal: AbortSignal) => ({
  signal,
  ...(key !== null && { headers: { "Idempotency-Key": key } }),
})

const bodyOf = ({ max_tokens, messages, model, temperature }: AiCall) => ({
  model,
  messages: messages.map(({ content, role }) => ({ role, content })),
  ...(isReasoningModel(model)
    ? { max_completion_tokens: max_tokens }
    : { max_tokens, temperature }),
})

const NullableText = Schema.optional(Schema.NullOr(Schema.String))
const Message = Schema.Struct({ content: NullableText, refusal: NullableText })
const Usage = Schema.optional(
  Schema.NullOr(
    Schema.Struct({
      prompt_tokens: Schema.optional(Schema.Unknown),
      completion_tokens: Schema.optional(Schema.Unknown),
    }),
  ),
)

const Answer = Schema.Struct({
  model: Schema.String,
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Message, finish_reason: NullableText })),
  usage: Usage,
})

const Chunk = Schema.Struct({
  model: Schema.String,
  choices: Schema.Array(Schema.Struct({ delta: Message, finish_reason: NullableText })),
  usage: Usage,
})

const tokensOf = (usage: typeof Usage.Type): AiTokens | null =>
  usage
    ? {
        prompt: Provider.countOf(usage.prompt_tokens),
        completion: Provider.countOf(usage.completion_tokens),
      }
    : null

const finishOf = (reason: string): FinishReason =>
  reason === "length" || reason === "content_filter" ? reason : "stop"
