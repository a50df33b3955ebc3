import { HttpApiMiddleware } from "effect/http-api"
import { RateLimitError } from "../../domain/Errors.ts"
import { enveloped } from "../../http/Envelope.ts"

/** Limits calls per client address, on endpoints without authentication. */
export class AddressLimit extends HttpApiMiddleware.Service<AddressLimit>()(
  "plinth/api/AddressLimit",
  { error: enveloped(RateLimitError) },
) {}
