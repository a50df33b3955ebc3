import { Context, Schema } from "effect"
import { RpcMiddleware } from "effect/rpc"
import { enveloped } from "../api/Envelope.ts"
import {
  AuthenticationError,
  BadRequestError,
  DeadlineExceededError,
  PayloadTooLargeError,
  RateLimitError,
  RequestTimeoutError,
  ServiceUnavailableError,
  UnsupportedMediaTypeError,
  ValidationError,
} from "../domain/Errors.ts"

/** The headers of a call, beside `Authorization: Bearer RPC_TOKEN`, `X-Request-ID` and `traceparent`. */
export const callerHeader = "x-plinth-caller"
/** In ms, from now: nobody waits longer for the answer. */
export const timeoutHeader = "x-plinth-timeout-ms"
/** A day. */
export const maxTimeoutMs = 86_400_000

/** How many calls the body has that this one came in: what is wrong with all of them is one answer. */
export const CallsInBody = Context.Reference<number>("plinth/rpc/Call/CallsInBody", {
  defaultValue: () => 1,
})

/** What can be wrong with every call. Counts it, by the caller's name, and ends it at its deadline. */
export class Call extends RpcMiddleware.Service<Call>()("plinth/rpc/Call", {
  error: Schema.Union([
    enveloped(AuthenticationError),
    enveloped(BadRequestError),
    enveloped(DeadlineExceededError),
    enveloped(PayloadTooLargeError),
    enveloped(RateLimitError),
    // A client decodes it as `BadRequestError`, whose code and fields it has.
    enveloped(RequestTimeoutError),
    enveloped(ServiceUnavailableError),
    enveloped(UnsupportedMediaTypeError),
    enveloped(ValidationError),
  ]),
}) {}
