import { HttpApiMiddleware } from "effect/http-api"
import { ConflictError, ServiceUnavailableError, ValidationError } from "../domain/Errors.ts"
import type { CurrentUser } from "../domain/User.ts"
import { enveloped } from "./Envelope.ts"

/** `Idempotency-Key`, on the endpoints that are annotated with `idempotent` (`Policies.ts`). Next to the handler. */
export class Idempotency extends HttpApiMiddleware.Service<
  Idempotency,
  { requires: CurrentUser }
>()("plinth/api/Idempotency", {
  error: [enveloped(ConflictError), enveloped(ValidationError), enveloped(ServiceUnavailableError)],
}) {}
