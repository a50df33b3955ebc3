import { Effect, Layer, type Types } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { BadRequestError, type ValidationError } from "../domain/Errors.ts"
import { Issues } from "../domain/Issues.ts"
import { Bodies, type Failure, setText } from "../core/Bodies.ts"
import { Input } from "./Input.ts"

export const layer = Layer.effect(
  Input,
  Effect.map(Bodies, ({ readJson }) =>
    Input.of((handler, { endpoint }) => {
      const guarded =
        endpoint.payload.size === 0
          ? handler
          : Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
              Effect.flatMap(readJson(request), (text) => {
                setText(request, text)
                return handler
              }),
            )
      return Effect.catch(
        guarded,
        (error): Effect.Effect<never, Failure | ValidationError | Types.unhandled> =>
          HttpApiError.HttpApiSchemaError.is(error) ? refuse(error) : Effect.fail(error),
      )
    }),
  ),
).pipe(Layer.provide(Bodies.layer))

const refuse = (error: HttpApiError.HttpApiSchemaError) => {
  // What we ourselves sent does not fit the contract: a bug.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    isMalformed(error)
      ? new BadRequestError({ reason: "Malformed JSON body" })
      : Issues.of(error.cause.issue).error,
  )
}

/** The platform reports unparsable JSON as a root issue with this text, and with no other mark. */
const isMalformed = ({ cause: { issue }, kind }: HttpApiError.HttpApiSchemaError) =>
  kind === "Payload" &&
  issue._tag === "InvalidValue" &&
  issue.annotations?.message === "Expected a valid JSON body"
