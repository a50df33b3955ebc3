import type { AiModel, AiSettings } from "../core/AiSettings.ts"
import {
  type AiError,
  type AiProviderName,
  type AiRequest,
  aiProviders,
  providerOfModel,
} from "../domain/Ai.ts"
import { ExternalServiceError, ServiceUnavailableError, ValidationError } from "../domain/Errors.ts"

/** Which models are asked, in which order, and what their failures mean. */

/** With the attempts of each, this bounds the calls that one request makes. */
const maxChainLength = 3

/** The chosen model, then those of other providers. */
export const chainOf = (settings: AiSettings, request: AiRequest): ReadonlyArray<AiModel> => {
  const chosen = chooseModel(settings, request)
  const others = settings.fallbacks.filter(({ provider }) => provider !== chosen.provider)
  return [chosen, ...others].slice(0, maxChainLength)
}

const chooseModel = (settings: AiSettings, { complexity, model }: AiRequest): AiModel => {
  const { default: usual, providers, routes } = settings
  const [only, ...more] = providers
  // Nobody has an account yet: whatever is asked for can be tried out.
  if (only?.provider === "echo" && more.length === 0) return usual
  if (model === null) return complexity === null ? usual : routes[complexity]
  const [name = "", ...rest] = model.split("/")
  const named = aiProviders.find((provider) => provider === name)
  if (named !== undefined && rest.length > 0) return { provider: named, model: rest.join("/") }
  return { provider: providerOfModel(model) ?? usual.provider, model }
}

/** How much a provider's models read, in tokens, at least. */
const contextWindows: Readonly<Record<AiProviderName, number>> = {
  openai: 128_000,
  anthropic: 200_000,
  google: 1_000_000,
  echo: 128_000,
}

/** Whether this one may do what the other one did not. What is against one's policy is not asked of the next. */
export const isWorthTrying = ({ provider }: AiModel, failure: AiError): boolean => {
  switch (failure.reason) {
    case "invalid_request":
    case "content_policy":
      return false
    case "context_length":
      return contextWindows[provider] > contextWindows[failure.provider]
    default:
      return true
  }
}

export type AiFailure = ValidationError | ExternalServiceError | ServiceUnavailableError

/** Of all that were asked, in that order; none when nobody was there to be asked. */
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

/** A stream that broke: there is nobody else to ask any more. */
export const toExternalServiceError = (error: AiError) =>
  new ExternalServiceError({ service: error.provider, cause: error })

const issues: Readonly<
  Partial<Record<AiError["reason"], { readonly path: string; readonly message: string }>>
> = {
  invalid_request: { path: "messages", message: "are not valid for this model" },
  content_policy: { path: "messages", message: "were refused by the provider's content policy" },
  context_length: { path: "messages", message: "are longer than the model can read" },
}

const retryAfterOf = ({ reason, retry_after }: AiError) => {
  if (retry_after !== undefined) return [retry_after]
  return reason === "rate_limited" || reason === "overloaded" ? [1] : []
}
