import { Effect, type Scope } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AiGateway } from "../../business/AiGateway.ts"
import type { AiCompletion, AiMessage, AiRequest, Complexity } from "../../domain/Ai.ts"
import { CurrentUser } from "../../domain/User.ts"
import { Api } from "../Api.ts"
import { bytesOf } from "./AiEvents.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "ai",
  Effect.fnUntraced(function* (handlers) {
    const gateway = yield* AiGateway

    const answer = (request: AiRequest, { stream }: Given) =>
      Effect.flatMap(CurrentUser, (caller): Answer =>
        stream
          ? Effect.map(gateway.stream(caller, request), (events) =>
              HttpServerResponse.stream(bytesOf(events), {
                contentType: "text/event-stream",
                headers: { "cache-control": "no-cache", "x-accel-buffering": "no" },
              }),
            )
          : gateway.complete(caller, request),
      )

    return handlers.handleAll({
      status: () => Effect.succeed(gateway.status),
      complete: ({ payload }) => answer(requestOf(payload.messages, payload), payload),
      chat: ({ payload }) => answer(requestOf(messagesOf(payload), payload), payload),
      routed: ({ payload }) => answer(requestOf(messagesOf(payload), payload), payload),
    })
  }),
)

type Answer = Effect.Effect<
  AiCompletion | HttpServerResponse.HttpServerResponse,
  Effect.Error<ReturnType<AiGateway["Service"]["complete"]>>,
  Scope.Scope
>

interface Given {
  readonly model?: string
  readonly complexity?: Complexity
  readonly temperature: number
  readonly max_tokens: number
  readonly stream: boolean
}

const requestOf = (
  messages: ReadonlyArray<AiMessage>,
  { complexity, max_tokens, model, temperature }: Given,
): AiRequest => ({
  messages,
  model: model ?? null,
  complexity: complexity ?? null,
  temperature,
  max_tokens,
})

interface Prompted {
  readonly prompt: string
  readonly system?: string
}

const messagesOf = ({ prompt, system }: Prompted): ReadonlyArray<AiMessage> => [
  ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
  { role: "user", content: prompt },
]
