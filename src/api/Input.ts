import { HttpApiMiddleware } from "effect/http-api"
import {
  BadRequestError,
  PayloadTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
  ValidationError,
} from "../domain/Errors.ts"
import { enveloped } from "./Envelope.ts"

/** Guards the body of a request before it is decoded, and gives what does not decode its own failures. */
export class Input extends HttpApiMiddleware.Service<Input>()("plinth/api/Input", {
  error: [
    enveloped(BadRequestError),
    enveloped(PayloadTooLargeError),
    enveloped(RequestTimeoutError),
    enveloped(UnsupportedMediaTypeError),
    enveloped(ValidationError),
  ],
}) {}
