import { Effect, Layer, type Types } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { BadRequestError, type ValidationError } from "../../domain/Errors.ts"
import { Issues } from "../../domain/Issues.ts"
import { Bodies, type Failure, setText } from "../../http/Bodies.ts"
import { Input } from "./Input.ts"

export const layer = Layer.effect(
  Input,
  Effect.map(Bodies, ({ readJson }) =>
    Input.of((handler, { endpoint }) => {
      const guardedHandler =
        endpoint.payload.size === 0
          ? handler
          : Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
              Effect.flatMap(readJson(request), (text) => {
                setText(request, text)
                return handler
              }),
            )
      return Effect.catch(
        guardedHandler,
        (error): Effect.Effect<never, Failure | ValidationError | Types.unhandled> =>
          HttpApiError.HttpApiSchemaError.is(error) ? toFailure(error) : Effect.fail(error),
      )
    }),
  ),
).pipe(Layer.provide(Bodies.layer))

const toFailure = (error: HttpApiError.HttpApiSchemaError) => {
  // A response that does not fit the contract is a bug.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    isMalformed(error)
      ? new BadRequestError({ reason: "Malformed JSON body" })
      : Issues.of(error.cause.issue).error,
  )
}

/** The platform reports unparsable JSON as a root issue that only this text identifies. */
const isMalformed = ({ cause: { issue }, kind }: HttpApiError.HttpApiSchemaError) =>
  kind === "Payload" &&
  issue._tag === "InvalidValue" &&
  issue.annotations?.message === "Expected a valid JSON body"
