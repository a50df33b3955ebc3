import type { AiSettings } from "../../core/settings/providers/Ai.ts"
import type { AiError, AiRequest } from "../../domain/ai/Ai.ts"
import { type AiModel, aiModels, aiProviders, providerOfModel } from "../../domain/ai/AiModels.ts"
import {
  ExternalServiceError,
  ServiceUnavailableError,
  ValidationError,
} from "../../domain/Errors.ts"

// Decides which models are called, in which order, and what their failures mean.

/** The maximum number of models that one request tries. The policy of a provider limits the attempts per model. */
const maxChainLength = 3

/** The chosen model, then the fallbacks from other providers. */
export const chainOf = (settings: AiSettings, request: AiRequest): ReadonlyArray<AiModel> => {
  const chosen = chooseModel(settings, request)
  const others = settings.fallbacks.filter(({ provider }) => provider !== chosen.provider)
  return [chosen, ...others].slice(0, maxChainLength)
}

const chooseModel = (settings: AiSettings, { complexity, model }: AiRequest): AiModel => {
  const { default: defaultModel, providers, routes } = settings
  const [only, ...more] = providers
  // No provider account is configured yet: `echo` answers for any model.
  if (only?.provider === "echo" && more.length === 0) return defaultModel
  if (model === null) return complexity === null ? defaultModel : routes[complexity]
  const [name = "", ...rest] = model.split("/")
  const named = aiProviders.find((provider) => provider === name)
  if (named !== undefined && rest.length > 0) return { provider: named, model: rest.join("/") }
  return { provider: providerOfModel(model) ?? defaultModel.provider, model }
}

/** Tests whether this model may succeed after the failure. A content policy refusal is not retried elsewhere. */
export const isWorthTrying = ({ provider }: AiModel, failure: AiError): boolean => {
  switch (failure.reason) {
    case "invalid_request":
    case "content_policy":
      return false
    case "context_length":
      return aiModels[provider].minContextWindow > aiModels[failure.provider].minContextWindow
    default:
      return true
  }
}

export type AiFailure = ValidationError | ExternalServiceError | ServiceUnavailableError

/** Combines the failures of all called models, in order. An empty list means that no provider was available. */
export const toAiFailure = (failures: ReadonlyArray<AiError>): AiFailure => {
  const last = failures.at(-1)
  if (last === undefined) return new ServiceUnavailableError({ service: "ai" })
  const issue = issues[last.reason]
  if (issue !== undefined) return new ValidationError({ issues: [issue], field: issue.path })
  const retryAfters = failures.flatMap(retryAfterOf)
  if (retryAfters.length > 0) {
    return new ServiceUnavailableError({
      service: "ai",
      retry_after: Math.min(...retryAfters),
      cause: last,
    })
  }
  return last.reason === "authentication"
    ? new ServiceUnavailableError({ service: "ai", cause: last })
    : toExternalServiceError(last)
}

/** The failure of a started stream, for which no other provider can be tried. */
export const toExternalServiceError = (error: AiError) =>
  new ExternalServiceError({ service: error.provider, cause: error })

const issues: Readonly<
  Partial<Record<AiError["reason"], { readonly path: string; readonly message: string }>>
> = {
  invalid_request: { path: "messages", message: "are not valid for this model" },
  content_policy: { path: "messages", message: "were refused by the provider's content policy" },
  context_length: { path: "messages", message: "exceed the model's context window" },
}

const retryAfterOf = ({ reason, retry_after }: AiError) => {
  if (retry_after !== undefined) return [retry_after]
  return reason === "rate_limited" || reason === "overloaded" ? [1] : []
}
