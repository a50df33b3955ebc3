import { HttpApiMiddleware } from "effect/http-api"
import { ValidationError } from "../domain/Errors.ts"
import {
  BadRequestError,
  enveloped,
  PayloadTooLargeError,
  UnsupportedMediaTypeError,
} from "./Envelope.ts"

/** Guards the body of a request before it is decoded, and gives what does not decode its own failures. */
export class Input extends HttpApiMiddleware.Service<Input>()("plinth/api/Input", {
  error: [
    enveloped(BadRequestError),
    enveloped(PayloadTooLargeError),
    enveloped(UnsupportedMediaTypeError),
    enveloped(ValidationError),
  ],
}) {}
