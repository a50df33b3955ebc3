import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import { AiCompletion, AiEvent, AiStatus, Complexity } from "../../domain/ai/Ai.ts"
import { AiCompletionInput } from "../../domain/ai/AiInput.ts"
import {
  AuthorizationError,
  ExternalServiceError,
  NotFoundError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { method, streamingMethod, userId } from "../Method.ts"

const error = [
  enveloped(NotFoundError),
  enveloped(AuthorizationError),
  enveloped(QuotaExceededError),
  enveloped(ExternalServiceError),
  enveloped(ServiceUnavailableError),
] as const

const { stream: _stream, ...completionFields } = AiCompletionInput.fields

/** The inputs of the methods. */
export const input = {
  status: Schema.Struct({}),
  complete: Schema.Struct({
    user_id: userId,
    ...completionFields,
    complexity: Schema.optionalKey(Complexity),
  }),
}

/**
 * AI completions, metered on `user_id`, an active user. Without `model`, the model for `complexity` or the default
 * answers.
 */
export class AiRpcs extends RpcGroup.make(
  method("ai.status", { input: input.status, success: AiStatus, error: [] }),
  method("ai.complete", { input: input.complete, success: AiCompletion, error }),
  /** Emits pieces of text; the last event has the usage. Interrupting the stream also stops the provider's response. */
  streamingMethod("ai.stream", { input: input.complete, success: AiEvent, error }),
) {}
