import { HttpApiMiddleware } from "effect/http-api"
import {
  AuthenticationError,
  AuthorizationError,
  ConflictError,
  RateLimitError,
  ServiceUnavailableError,
} from "../../domain/Errors.ts"
import type { CurrentUser } from "../../domain/users/User.ts"
import { enveloped } from "../../http/Envelope.ts"

/**
 * Verifies `Authorization: Bearer <jwt>`, counts the call, then resolves the token to an active user. Fails with 403
 * for a deactivated user, and with 409 when the token's e-mail belongs to another user.
 */
export class Authentication extends HttpApiMiddleware.Service<
  Authentication,
  { provides: CurrentUser }
>()("plinth/api/Authentication", {
  error: [
    enveloped(AuthenticationError),
    enveloped(AuthorizationError),
    enveloped(ConflictError),
    enveloped(RateLimitError),
    enveloped(ServiceUnavailableError),
  ],
}) {}
