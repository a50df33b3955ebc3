import { Schema } from "effect"
import { NotFoundError, Project, type QuotaExceededError } from "plinth/domain"

/** Validates a form with the rules of the service, before sending it. */
export const run = (input: unknown) => Schema.decodeUnknownResult(Project.jsonCreate)(input)

export const describeFailure = (error: NotFoundError | QuotaExceededError) =>
  error instanceof NotFoundError ? error.resource : error.metric
