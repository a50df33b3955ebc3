import { HttpApiMiddleware } from "effect/http-api"
import { QuotaExceededError, ServiceUnavailableError } from "../../domain/Errors.ts"
import type { CurrentUser } from "../../domain/users/User.ts"
import { enveloped } from "../../http/Envelope.ts"

/** Refuses users whose plan has no requests left, except on endpoints with `exemptFromQuota` (`Policies.ts`). */
export class Quota extends HttpApiMiddleware.Service<Quota, { requires: CurrentUser }>()(
  "plinth/api/Quota",
  { error: [enveloped(QuotaExceededError), enveloped(ServiceUnavailableError)] },
) {}
