import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AiCompletion, AiStatus } from "../../domain/ai/Ai.ts"
import { AiChatInput, AiCompletionInput, AiRoutedInput } from "../../domain/ai/AiInput.ts"
import {
  ExternalServiceError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { enveloped } from "../../http/Envelope.ts"
import { claimed, RateLimit } from "../../http/Policies.ts"

/** The stream that `AiEvents.ts` encodes. */
const events = HttpApiSchema.StreamUint8Array({ contentType: "text/event-stream" })

const success = [AiCompletion, events]
const error = [
  enveloped(QuotaExceededError),
  enveloped(ExternalServiceError),
  enveloped(ServiceUnavailableError),
]

const streaming =
  "With `stream: true` the response is `text/event-stream`: one event for each piece of text, with the text as its data; then `event: usage` with the tokens, model, provider, finish_reason and latency_ms; then `[DONE]`. A failure after the first piece is sent as `event: error` with the usual error envelope, and without `[DONE]`. Delivered text is charged. Comments keep the connection open."

export class AiApi extends HttpApiGroup.make("ai")
  .add(
    HttpApiEndpoint.get("status", "/status", { success: AiStatus }).annotateMerge(
      OpenApi.annotations({
        summary: "Get the configured AI providers",
        description:
          "Returns the configured providers, and the provider and model that answer when a request names no model.",
      }),
    ),
    HttpApiEndpoint.post("complete", "/completions", { payload: AiCompletionInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Complete a conversation",
          description: `Name the model as \`gpt-4o\` or \`openai/gpt-4o\`. If its provider is down, another may answer; \`model\` and \`provider\` say which did. ${streaming}`,
        }),
      ),
    HttpApiEndpoint.post("chat", "/chat", { payload: AiChatInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Answer a prompt",
          description: `Like \`POST /ai/completions\`, for a single prompt. ${streaming}`,
        }),
      ),
    HttpApiEndpoint.post("routed", "/chat/routed", { payload: AiRoutedInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Answer a prompt with the model for its complexity",
          description: `Like \`POST /ai/chat\`, with the model configured for \`complexity\`. ${streaming}`,
        }),
      ),
  )
  .prefix("/ai")
  .annotateMerge(
    OpenApi.annotations({
      title: "AI",
      description: "Models of OpenAI, Anthropic and Google, metered against the plan.",
    }),
  ) {}
