import { Effect, Layer, type Types } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { Settings } from "../core/Settings.ts"
import { BadRequestError, ValidationError } from "../domain/Errors.ts"
import { issuesOf } from "../domain/Issues.ts"
import { type Failure, keepText, readJson } from "../core/Body.ts"
import { Input } from "./Input.ts"

export const layer = Layer.effect(
  Input,
  Effect.map(Settings, ({ BODY_LIMIT_BYTES: limit }) =>
    Input.of((handler, { endpoint }) => {
      const guarded =
        endpoint.payload.size === 0
          ? handler
          : Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
              Effect.flatMap(readJson(request, limit), (text) => {
                keepText(request, text)
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
)

const refuse = (error: HttpApiError.HttpApiSchemaError) => {
  // What we ourselves sent does not fit the contract: a bug.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    isMalformed(error) ? new BadRequestError({ reason: "Malformed JSON body" }) : invalid(error),
  )
}

/** The platform reports unparsable JSON as a root issue with this text, and with no other mark. */
const isMalformed = ({ cause: { issue }, kind }: HttpApiError.HttpApiSchemaError) =>
  kind === "Payload" &&
  issue._tag === "InvalidValue" &&
  issue.annotations?.message === "Expected a valid JSON body"

const invalid = ({ cause: { issue } }: HttpApiError.HttpApiSchemaError) => {
  const issues = issuesOf(issue)
  return new ValidationError({ issues, field: issues[0]?.path ?? "" })
}
