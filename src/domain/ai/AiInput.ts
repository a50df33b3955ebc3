import { Effect, Schema } from "effect"
import { Complexity } from "./Ai.ts"
import * as Bounds from "../Bounds.ts"
import * as Fields from "../Fields.ts"

/** Text in requests to the AI gateway. The limit on the request body is reached before this one. */
const Text = (example: string) => Fields.verbatim({ max: 1_000_000, example })

const Message = Schema.Struct({
  role: Schema.Literals(["system", "user", "assistant"]),
  content: Text("What is an analytical engine?"),
}).annotate({ identifier: "AiMessage" })

const hasUserMessage = (messages: ReadonlyArray<typeof Message.Type>) =>
  messages.some(({ role }) => role === "user") || "must include a user message"

const Messages = Fields.list(Message, {
  min: Bounds.aiMessages.minimum,
  max: Bounds.aiMessages.maximum,
}).check(Schema.makeFilter(hasUserMessage))

/**
 * A model's name, or `provider/model`. Vendor SDKs put it into a URL path, so empty segments and `..` are refused. The
 * pattern has no lookahead, because not every OpenAPI client supports it.
 */
const Model = Schema.String.annotate({ examples: ["gpt-4o"] }).check(
  Schema.isMaxLength(255),
  Schema.isPattern(/^[\w:@-]+(?:[./][\w:@-]+)*$/u, { message: "must be a model name" }),
)

const options = {
  temperature: Schema.Finite.check(Schema.isBetween(Bounds.aiTemperature)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(Bounds.aiTemperature.default)),
  ),
  max_tokens: Bounds.integer(Bounds.aiMaxTokens),
  stream: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
}

const chat = {
  prompt: Text("What is an analytical engine?"),
  system: Schema.optionalKey(Text("Answer in one sentence.")),
}

export const AiCompletionInput = Schema.Struct({
  messages: Messages,
  model: Schema.optionalKey(Model),
  ...options,
}).annotate({ identifier: "AiCompletionInput" })

export const AiChatInput = Schema.Struct({
  ...chat,
  model: Schema.optionalKey(Model),
  ...options,
}).annotate({ identifier: "AiChatInput" })

export const AiRoutedInput = Schema.Struct({
  ...chat,
  complexity: Complexity.pipe(Schema.withDecodingDefaultKey(Effect.succeed("moderate" as const))),
  ...options,
}).annotate({ identifier: "AiRoutedInput" })
