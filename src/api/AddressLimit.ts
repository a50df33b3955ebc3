import { HttpApiMiddleware } from "effect/http-api"
import { RateLimitError } from "../domain/Errors.ts"
import { enveloped } from "./Envelope.ts"

/** Counts the calls of each client address, where there is no user to count for. */
export class AddressLimit extends HttpApiMiddleware.Service<AddressLimit>()(
  "plinth/api/AddressLimit",
  { error: enveloped(RateLimitError) },
) {}
