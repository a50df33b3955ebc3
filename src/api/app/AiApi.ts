import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AiCompletion, AiStatus } from "../../domain/Ai.ts"
import { AiChatInput, AiCompletionInput, AiRoutedInput } from "../../domain/AiInput.ts"
import {
  ExternalServiceError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { enveloped } from "../Envelope.ts"
import { claimed, RateLimit } from "../Policies.ts"

/** Written by `AiEvents.ts`. */
const events = HttpApiSchema.StreamUint8Array({ contentType: "text/event-stream" })

const success = [AiCompletion, events]
const error = [
  enveloped(QuotaExceededError),
  enveloped(ExternalServiceError),
  enveloped(ServiceUnavailableError),
]

const streaming =
  "With `stream: true` the answer is `text/event-stream`: an event for each piece of text, whose data is the text; then `event: usage` with the tokens, model, provider, finish_reason and latency_ms; then `[DONE]`. A failure after the first piece is `event: error` with the usual envelope, and no `[DONE]`. What was delivered is charged. Comments keep the connection open."

export class AiApi extends HttpApiGroup.make("ai")
  .add(
    HttpApiEndpoint.get("status", "/status", { success: AiStatus }).annotateMerge(
      OpenApi.annotations({
        summary: "Which models there are",
        description: "The providers that are set up, and what answers when no model is named.",
      }),
    ),
    HttpApiEndpoint.post("complete", "/completions", { payload: AiCompletionInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Complete a conversation",
          description: `Of a model by its name, or by \`provider/model\`. When its provider is down, another one may answer: \`model\` and \`provider\` tell who did. ${streaming}`,
        }),
      ),
    HttpApiEndpoint.post("chat", "/chat", { payload: AiChatInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Answer a prompt",
          description: `The same for a single prompt. ${streaming}`,
        }),
      ),
    HttpApiEndpoint.post("routed", "/chat/routed", { payload: AiRoutedInput, success, error })
      .annotate(RateLimit, "ai")
      .annotateMerge(claimed)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Answer a prompt by the model for its kind",
          description: `The same, of the model that is set up for this complexity. ${streaming}`,
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
