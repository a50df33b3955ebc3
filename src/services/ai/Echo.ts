import { Effect, Stream } from "effect"
import type { AiAnswer, AiCall } from "../../domain/ai/Ai.ts"
import type { AiProvider } from "./Ai.ts"

/** Repeats the last user message word by word. A word counts as a token. */
export const provider: AiProvider = {
  name: "echo",
  complete: (call) => {
    const { parts, ...answer } = echoOf(call)
    return Effect.succeed<AiAnswer>({ ...answer, content: parts.join("") })
  },
  stream: (call) => {
    const { finish_reason, model, parts, tokens } = echoOf(call)
    const texts = parts.map((text) => ({ text, model, finish_reason: null, tokens: null }))
    return Effect.succeed(
      Stream.fromIterable([...texts, { text: "", model, finish_reason, tokens }]),
    )
  },
}

const echoOf = ({ max_tokens, messages }: AiCall) => {
  const last = messages.findLast(({ role }) => role === "user")?.content ?? ""
  const words = wordsOf(`You said: ${last}`)
  const parts = words.slice(0, max_tokens)
  return {
    parts,
    model: "echo",
    finish_reason: parts.length < words.length ? ("length" as const) : ("stop" as const),
    tokens: {
      prompt: messages.reduce((sum, { content }) => sum + wordsOf(content).length, 0),
      completion: parts.length,
    },
  }
}

/** Splits a text into words, each with the white space before it. */
const wordsOf = (text: string): ReadonlyArray<string> => text.match(/\s*\S+/g) ?? []
