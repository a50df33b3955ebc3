import { Effect, Option, Redacted, Result, Schema } from "effect"
import type { AiVendorSettings } from "../../core/settings/providers/Ai.ts"
import type { AiCall, AiPart, FinishReason } from "../../domain/ai/Ai.ts"
import * as Failure from "./Failure.ts"
import * as Provider from "./Provider.ts"
import { vendorFetch } from "./Transport.ts"

/** https://platform.claude.com/docs/en/api/messages and /docs/en/build-with-claude/streaming */
export const make = Effect.fnUntraced(function* ({ apiKey, baseUrl }: AiVendorSettings) {
  const fetch = yield* vendorFetch
  const { Anthropic } = yield* Effect.promise(() => import("@anthropic-ai/sdk"))
  // The SDK reads options that are not set here from the environment.
  const client = new Anthropic({
    apiKey: Redacted.value(apiKey),
    baseURL: baseUrl ?? "https://api.anthropic.com",
    authToken: null,
    webhookKey: null,
    maxRetries: 0,
    timeout: Provider.sdkTimeoutMs,
    logLevel: "off",
    // The SDK's spans would contain what Tracing.ts removes from ours.
    openTelemetry: false,
    fetch,
  })
  // `messages.create` logs deprecation warnings to the console.
  const post = <A>(call: AiCall, signal: AbortSignal, stream: boolean) =>
    client.post<A>("/v1/messages", {
      body: { ...bodyOf(call), stream },
      stream,
      signal,
      ...(call.key !== null && { headers: { "Idempotency-Key": call.key } }),
    })

  return yield* Provider.make({
    provider: "anthropic",
    complete: (call, signal) => post<unknown>(call, signal, false),
    stream: (call, signal) => post<AsyncIterable<unknown>>(call, signal, true),
    answerOf: (body) => {
      const decoded = Schema.decodeUnknownOption(Answer)(body)
      if (Option.isNone(decoded)) return Result.fail(Failure.unusable)
      const { content, model, stop_reason, usage } = decoded.value
      return Result.succeed({
        content: content.map(({ text }) => text ?? "").join(""),
        model,
        finish_reason: finishOf(stop_reason ?? "end_turn"),
        tokens: {
          prompt: Provider.countOf(usage?.input_tokens),
          completion: Provider.countOf(usage?.output_tokens),
        },
      })
    },
    partOf: (event) => {
      const decoded = Schema.decodeUnknownOption(Event)(event)
      return Option.isNone(decoded)
        ? Result.fail(Failure.unusable)
        : Result.succeed(partOf(decoded.value))
    },
  })
})

/**
 * Omits the temperature, which the API rejects since version 2026-10-21, the version that the SDK uses
 * (https://platform.claude.com/docs/en/api/migration-2026-10-21).
 */
const bodyOf = ({ max_tokens, messages, model }: AiCall) => {
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => content)
  return {
    model,
    max_tokens,
    ...(system.length > 0 && { system: system.join("\n\n") }),
    messages: messages
      .filter(({ role }) => role !== "system")
      .map(({ content, role }) => ({ role, content })),
  }
}

const Usage = Schema.optional(
  Schema.NullOr(
    Schema.Struct({
      input_tokens: Schema.optional(Schema.Unknown),
      output_tokens: Schema.optional(Schema.Unknown),
    }),
  ),
)
const NullableText = Schema.optional(Schema.NullOr(Schema.String))

const Answer = Schema.Struct({
  model: Schema.String,
  content: Schema.Array(Schema.Struct({ text: Schema.optional(Schema.String) })),
  stop_reason: NullableText,
  usage: Usage,
})

const Start = Schema.Struct({
  type: Schema.Literal("message_start"),
  message: Schema.Struct({ model: Schema.String, usage: Usage }),
})
const Delta = Schema.Struct({
  type: Schema.Literal("content_block_delta"),
  delta: Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) }),
})
const End = Schema.Struct({
  type: Schema.Literal("message_delta"),
  delta: Schema.Struct({ stop_reason: NullableText }),
  usage: Usage,
})
/** Ignored events: the start and end of blocks, and types added later. */
const Other = Schema.Struct({
  type: Schema.String.check(
    Schema.makeFilter(
      (type) => !/^(?:message_start|content_block_delta|message_delta)$/.test(type),
    ),
  ),
})
const Event = Schema.Union([Delta, Start, End, Other])

const emptyPart: AiPart = { text: "", model: null, finish_reason: null, tokens: null }

const isStart = Schema.is(Start)
const isDelta = Schema.is(Delta)
const isEnd = Schema.is(End)

const partOf = (event: typeof Event.Type): AiPart | null => {
  if (isDelta(event)) {
    return event.delta.text === undefined ? null : { ...emptyPart, text: event.delta.text }
  }
  if (isStart(event)) {
    const { model, usage } = event.message
    // `output_tokens` is not yet the total here.
    const tokens = { prompt: Provider.countOf(usage?.input_tokens), completion: null }
    return { ...emptyPart, model, tokens }
  }
  if (!isEnd(event)) return null
  const { delta, usage } = event
  return {
    ...emptyPart,
    finish_reason: delta.stop_reason ? finishOf(delta.stop_reason) : null,
    tokens: {
      prompt: Provider.countOf(usage?.input_tokens),
      completion: Provider.countOf(usage?.output_tokens),
    },
  }
}

const finishOf = (reason: string): FinishReason => {
  switch (reason) {
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length"
    case "refusal":
      return "content_filter"
    default:
      return "stop"
  }
}
