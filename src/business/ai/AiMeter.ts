import { Effect } from "effect"
import { saturated } from "../../core/sql/SafeSum.ts"
import { tokensIn } from "./TokenCount.ts"
import type {
  AiAnswer,
  AiMessage,
  AiPart,
  AiTokens,
  AiUsage,
  FinishReason,
} from "../../domain/ai/Ai.ts"
import type { AiModel } from "../../domain/ai/AiModels.ts"

/** The answer of a call so far, and its token usage. Mutable: each part of a stream is added. */
export class AiMeter {
  private readonly messages: ReadonlyArray<AiMessage>
  /** The model that answers; null until one does. */
  answeredBy: AiModel | null = null
  text = ""
  model: string | null = null
  finish_reason: FinishReason | null = null
  private tokens: AiTokens = { prompt: null, completion: null }

  constructor(messages: ReadonlyArray<AiMessage>) {
    this.messages = messages
  }

  add(part: AiPart) {
    this.text += part.text
    this.model = part.model ?? this.model
    this.finish_reason = part.finish_reason ?? this.finish_reason
    this.tokens = part.tokens ?? this.tokens
  }

  addAnswer({ content, finish_reason, model, tokens }: AiAnswer) {
    this.add({ text: content, finish_reason, model, tokens })
  }

  /** The usage that the provider reported. Missing counts and interrupted answers are estimated. */
  get usage(): Effect.Effect<{ readonly usage: AiUsage; readonly estimated: boolean }> {
    const { completion, prompt } = this.tokens
    const isComplete = this.finish_reason !== null
    return Effect.gen({ self: this }, function* () {
      const prompt_tokens = prompt ?? (yield* tokensIn(promptOf(this.messages)))
      const completion_tokens =
        isComplete && completion !== null
          ? completion
          : // Some providers report a partial count.
            Math.max(completion ?? 0, yield* tokensIn(this.text))
      return {
        usage: {
          prompt_tokens,
          completion_tokens,
          total_tokens: saturated(prompt_tokens + completion_tokens),
        },
        estimated: prompt === null || completion === null || !isComplete,
      }
    })
  }
}

const promptOf = (messages: ReadonlyArray<AiMessage>) =>
  messages.map(({ content }) => content).join("\n")

/**
 * A fast upper estimate of the prompt's tokens, for reservations. A token is about four bytes of English, and about
 * three bytes, one character, of Chinese.
 */
export const maxPromptTokens = (messages: ReadonlyArray<AiMessage>) =>
  messages.reduce((sum, { content }) => sum + Math.ceil(Buffer.byteLength(content) / 3), 0)
