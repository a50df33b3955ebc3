import { Effect, type Scope } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AiGateway } from "../../business/ai/AiGateway.ts"
import type { AiCompletion, AiMessage, AiRequest, Complexity } from "../../domain/ai/Ai.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Api } from "../Api.ts"
import { encodeEvents } from "./AiEvents.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "ai",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* AiGateway

    const answer = (request: AiRequest, { stream }: ChatOptions) =>
      Effect.flatMap(CurrentUser, (caller): Answer =>
        stream
          ? Effect.map(gateway.stream(caller, request), (events) =>
              HttpServerResponse.stream(encodeEvents(events), {
                contentType: "text/event-stream",
                headers: { "cache-control": "no-cache", "x-accel-buffering": "no" },
              }),
            )
          : gateway.complete(caller, request),
      )

    return handlers.handleAll({
      status: () => Effect.succeed(gateway.status),
      complete: ({ payload }) => answer(toRequest(payload.messages, payload), payload),
      chat: ({ payload }) => answer(toRequest(toMessages(payload), payload), payload),
      routed: ({ payload }) => answer(toRequest(toMessages(payload), payload), payload),
    })
  }),
)

type Answer = Effect.Effect<
  AiCompletion | HttpServerResponse.HttpServerResponse,
  Effect.Error<ReturnType<AiGateway["Service"]["complete"]>>,
  Scope.Scope
>

interface ChatOptions {
  readonly model?: string
  readonly complexity?: Complexity
  readonly temperature: number
  readonly max_tokens: number
  readonly stream: boolean
}

const toRequest = (
  messages: ReadonlyArray<AiMessage>,
  { complexity, max_tokens, model, temperature }: ChatOptions,
): AiRequest => ({
  messages,
  model: model ?? null,
  complexity: complexity ?? null,
  temperature,
  max_tokens,
})

interface Prompt {
  readonly prompt: string
  readonly system?: string
}

const toMessages = ({ prompt, system }: Prompt): ReadonlyArray<AiMessage> => [
  ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
  { role: "user", content: prompt },
]
