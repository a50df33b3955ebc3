import { HttpApiMiddleware } from "effect/http-api"
import { ConflictError, ServiceUnavailableError, ValidationError } from "../../domain/Errors.ts"
import type { CurrentUser } from "../../domain/users/User.ts"
import { enveloped } from "../../http/Envelope.ts"

/** Handles `Idempotency-Key` on endpoints annotated with `idempotent` or `claimed` (`Policies.ts`). */
export class Idempotency extends HttpApiMiddleware.Service<
  Idempotency,
  { requires: CurrentUser }
>()("plinth/api/Idempotency", {
  error: [enveloped(ConflictError), enveloped(ValidationError), enveloped(ServiceUnavailableError)],
}) {}
