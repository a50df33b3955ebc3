import { HttpApiMiddleware } from "effect/http-api"
import {
  BadRequestError,
  PayloadTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
  ValidationError,
} from "../../domain/Errors.ts"
import { enveloped } from "../../http/Envelope.ts"

/** Checks a request's body before it is decoded, and turns decoding errors into failures of the contract. */
export class Input extends HttpApiMiddleware.Service<Input>()("plinth/api/Input", {
  error: [
    enveloped(BadRequestError),
    enveloped(PayloadTooLargeError),
    enveloped(RequestTimeoutError),
    enveloped(UnsupportedMediaTypeError),
    enveloped(ValidationError),
  ],
}) {}
