import { Effect, Layer, type Types } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import { BadRequestError, type ValidationError } from "../../domain/Errors.ts"
import { Issues } from "../../domain/Issues.ts"
import { Bodies, type Failure, setBytes, setText } from "../../http/Bodies.ts"
import { isRefusal } from "../../http/BodyReaders.ts"
import { BodyPolicy, policyOf } from "../../http/Policies.ts"
import { Input } from "./Input.ts"

export const layer = Layer.effect(
  Input,
  Effect.map(Bodies, (bodies) =>
    Input.of((handler, options) => {
      const { method, path, payload } = options.endpoint
      const { kind, maxBytes } = policyOf(BodyPolicy, options)
      const types = kind === "json" ? ["application/json"] : Array.from(payload.keys())
      const accepted = { types, maxBytes: maxBytes ?? undefined }

      const readBody = (request: HttpServerRequest.HttpServerRequest) => {
        switch (kind) {
          case "json":
            return Effect.flatMap(bodies.readJson(request, accepted), (text) => {
              setText(request, text)
              return handler
            })
          case "raw":
            return Effect.flatMap(bodies.readBytes(request, accepted), (bytes) => {
              setBytes(request, bytes)
              return handler
            })
          case "stream":
            return Effect.andThen(
              bodies.openStream(request, accepted),
              Effect.catchDefect(handler, (defect) =>
                isRefusal(defect) ? Effect.fail(defect) : Effect.die(defect),
              ),
            )
        }
      }

      if (payload.size > 0 && kind === "json" && !payload.has("application/json")) {
        throw new Error(
          `${method} ${path} takes no JSON: annotate it with BodyPolicy (Policies.ts)`,
        )
      }
      return Effect.catch(
        payload.size === 0
          ? handler
          : Effect.flatMap(HttpServerRequest.HttpServerRequest, readBody),
        (error): Effect.Effect<never, Failure | ValidationError | Types.unhandled> =>
          HttpApiError.HttpApiSchemaError.is(error) ? toFailure(error) : Effect.fail(error),
      )
    }),
  ),
).pipe(Layer.provide(Bodies.layer))

export const toFailure = (error: HttpApiError.HttpApiSchemaError) => {
  // A response that does not fit the contract is a bug.
  if (error.kind === "Body" || error.kind === "ResponseHeaders") return Effect.die(error)
  return Effect.fail(
    isMalformed(error)
      ? new BadRequestError({ reason: "Malformed JSON body" })
      : Issues.of(error.cause.issue).error,
  )
}

/** Tests for invalid JSON. The platform reports it as an issue of the whole body, which only this text identifies. */
const isMalformed = ({ cause: { issue }, kind }: HttpApiError.HttpApiSchemaError) =>
  kind === "Payload" &&
  issue._tag === "InvalidValue" &&
  issue.annotations?.message === "Expected a valid JSON body"
