import { Context, Schema } from "effect"
import { RpcMiddleware } from "effect/rpc"
import { enveloped } from "../http/Envelope.ts"
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

/** The caller's name. Calls also carry `Authorization: Bearer RPC_TOKEN`, `X-Request-ID` and `traceparent`. */
export const callerHeader = "x-plinth-caller"
/** The deadline of the call, in ms from now. */
export const timeoutHeader = "x-plinth-timeout-ms"

/** The headers of a call, by their names in lower case. */
export type CallHeaders = Readonly<Record<string, string | undefined>>

/** The longest timeout that a call may set: one day. */
export const maxTimeoutMs = 86_400_000

/** The number of calls in the request body that this call came in. One response reports the issues of all of them. */
export const CallsInBody = Context.Reference<number>("plinth/rpc/Call/CallsInBody", {
  defaultValue: () => 1,
})

/** Counts each call by the caller's name and enforces its deadline. Declares the errors that any call can have. */
export class Call extends RpcMiddleware.Service<Call>()("plinth/rpc/Call", {
  error: Schema.Union([
    enveloped(AuthenticationError),
    enveloped(BadRequestError),
    enveloped(DeadlineExceededError),
    enveloped(PayloadTooLargeError),
    enveloped(RateLimitError),
    // Clients decode it as `BadRequestError`, which has the same code and fields.
    enveloped(RequestTimeoutError),
    enveloped(ServiceUnavailableError),
    enveloped(UnsupportedMediaTypeError),
    enveloped(ValidationError),
  ]),
}) {}
