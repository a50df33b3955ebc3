import { Effect } from "effect"
import type { AiModel } from "../core/AiSettings.ts"
import { saturated } from "../core/SafeSum.ts"
import { tokensIn } from "../core/TokenCount.ts"
import type { AiAnswer, AiMessage, AiDelta, AiTokens, AiUsage, FinishReason } from "../domain/Ai.ts"

/** What came of a call so far, and what it took. Mutable: each part of a stream adds to it. */
export class AiMeter {
  private readonly messages: ReadonlyArray<AiMessage>
  /** Who answers; null until somebody does. */
  answeredBy: AiModel | null = null
  text = ""
  model: string | null = null
  finish_reason: FinishReason | null = null
  private tokens: AiTokens = { prompt: null, completion: null }

  constructor(messages: ReadonlyArray<AiMessage>) {
    this.messages = messages
  }

  add(part: AiDelta) {
    this.text += part.text
    this.model = part.model ?? this.model
    this.finish_reason = part.finish_reason ?? this.finish_reason
    this.tokens = part.tokens ?? this.tokens
  }

  addAnswer({ content, finish_reason, model, tokens }: AiAnswer) {
    this.add({ text: content, finish_reason, model, tokens })
  }

  /** What the provider told of a whole answer; of one that was cut, and of what it did not tell, an estimate. */
  get usage(): Effect.Effect<{ readonly usage: AiUsage; readonly estimated: boolean }> {
    const { completion, prompt } = this.tokens
    const isComplete = this.finish_reason !== null
    return Effect.gen({ self: this }, function* () {
      const prompt_tokens = prompt ?? (yield* tokensIn(promptOf(this.messages)))
      const completion_tokens =
        isComplete && completion !== null
          ? completion
          : // Some tell what they counted up to there.
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
 * Mostly more than it will be: for a reservation, without a look at the text. A token has four bytes of English, and
 * about three of Chinese, where that is one character.
 */
export const maxPromptTokens = (messages: ReadonlyArray<AiMessage>) =>
  messages.reduce((sum, { content }) => sum + Math.ceil(Buffer.byteLength(content) / 3), 0)
