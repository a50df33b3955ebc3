import { HttpApiMiddleware } from "effect/http-api"
import { QuotaExceededError, ServiceUnavailableError } from "../domain/Errors.ts"
import type { CurrentUser } from "../domain/User.ts"
import { enveloped } from "./Envelope.ts"

/** The requests of a plan, for groups that a spent plan closes: not for those by which its owner sees and changes it. */
export class Quota extends HttpApiMiddleware.Service<Quota, { requires: CurrentUser }>()(
  "plinth/api/Quota",
  { error: [enveloped(QuotaExceededError), enveloped(ServiceUnavailableError)] },
) {}
