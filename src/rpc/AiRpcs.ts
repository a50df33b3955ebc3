import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import { AiCompletion, AiEvent, AiStatus, Complexity } from "../domain/Ai.ts"
import { AiCompletionInput } from "../domain/AiInput.ts"
import {
  AuthorizationError,
  ExternalServiceError,
  NotFoundError,
  QuotaExceededError,
  ServiceUnavailableError,
} from "../domain/Errors.ts"
import { method, streamingMethod, userId } from "./Method.ts"

const error = [
  enveloped(NotFoundError),
  enveloped(AuthorizationError),
  enveloped(QuotaExceededError),
  enveloped(ExternalServiceError),
  enveloped(ServiceUnavailableError),
] as const

const { stream: _stream, ...completionFields } = AiCompletionInput.fields

/** What the methods take. */
export const input = {
  status: Schema.Struct({}),
  complete: Schema.Struct({
    user_id: userId,
    ...completionFields,
    complexity: Schema.optionalKey(Complexity),
  }),
}

/** Models, metered on the user they are asked for, who must be active. Without `model`: by `complexity`, or the default. */
export class AiRpcs extends RpcGroup.make(
  method("ai.status", { input: input.status, success: AiStatus, error: [] }),
  method("ai.complete", { input: input.complete, success: AiCompletion, error }),
  /** Texts as they come; the last event has what the whole took. Who stops reading stops the provider. */
  streamingMethod("ai.stream", { input: input.complete, success: AiEvent, error }),
) {}
