import { Schema } from "effect"
import { NotFoundError, Project, type QuotaExceededError } from "plinth/domain"

/** A form that knows the rules of the service before it asks. */
export const run = (input: unknown) => Schema.decodeUnknownResult(Project.jsonCreate)(input)

export const told = (error: NotFoundError | QuotaExceededError) =>
  error instanceof NotFoundError ? error.resource : error.metric
