import { createHash } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Business from "../business/Idempotency.ts"
import { CurrentUser } from "../domain/User.ts"
import { Idempotency } from "./Idempotency.ts"
import { Idempotent } from "./Policies.ts"

export const layer = Layer.effect(
  Idempotency,
  Effect.map(Business.Idempotency, ({ once }) =>
    Idempotency.of((handler, { endpoint }) => {
      if (!Context.get(endpoint.annotations, Idempotent)) return handler
      const route = `${endpoint.method} ${endpoint.path}`

      return Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const key = request.headers["idempotency-key"]
        if (key === undefined) return handler
        if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
          return Effect.fail(Business.invalidKey("must be 1 to 255 printable ASCII characters"))
        }
        const { id: user_id } = Context.getUnsafe(fiber.context, CurrentUser)
        return Effect.flatMap(Effect.orDie(fingerprintOf(request)), (fingerprint) =>
          once({ user_id, route, key, fingerprint }, handler, { answerOf, replay }),
        )
      })
    }),
  ),
)

/** `Input` has read the body. Of the URL only path and query: the host may be the name of one of many. */
const fingerprintOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(request.text, (body) =>
    createHash("sha256").update(`${request.method}\0${request.url}\0${body}`).digest("base64url"),
  )

/** JSON, or nothing: what else an endpoint answers cannot be kept. */
const answerOf = ({ body, status }: HttpServerResponse.HttpServerResponse) => {
  if (status < 200 || status > 299) return null
  if (body._tag === "Empty") return { status, body: null }
  return body._tag === "Uint8Array" ? { status, body: new TextDecoder().decode(body.body) } : null
}

const replay = ({ body, status }: Business.Answer) =>
  HttpServerResponse.setHeader(
    body === null
      ? HttpServerResponse.empty({ status })
      : HttpServerResponse.text(body, { status, contentType: "application/json" }),
    "idempotency-replayed",
    "true",
  )
