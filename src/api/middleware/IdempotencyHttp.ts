import { createHash } from "node:crypto"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { Claims } from "../../business/idempotency/Claims.ts"
import * as Business from "../../business/idempotency/Idempotency.ts"
import { maxLength } from "../../domain/Bounds.ts"
import { CurrentUser } from "../../domain/users/User.ts"
import { Idempotency } from "./Idempotency.ts"
import { BodyPolicy, Idempotent, policyOf } from "../../http/Policies.ts"

const validKey = new RegExp(`^[\\x20-\\x7e]{1,${maxLength.idempotencyKey}}$`)

export const layer = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const transactions = yield* Business.Idempotency
    const claims = yield* Claims

    return Idempotency.of((handler, options) => {
      const route = `${options.endpoint.method} ${options.endpoint.path}`
      const mode = policyOf(Idempotent, options)
      if (mode === null && options.endpoint.method === "POST")
        throw new Error(missingPolicyMessage(route))
      if (mode === null || mode === "repeatable") return handler
      if (policyOf(BodyPolicy, options).kind === "stream")
        throw new Error(streamedBodyMessage(route))

      return Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const key = request.headers["idempotency-key"]
        if (key === undefined) return handler
        if (!validKey.test(key)) {
          return Effect.fail(
            Business.invalidKey(
              `must be 1 to ${maxLength.idempotencyKey} printable ASCII characters`,
            ),
          )
        }
        const { id: user_id } = Context.getUnsafe(fiber.context, CurrentUser)
        return Effect.flatMap(Effect.orDie(request.text), (body) => {
          const keyedRequest = { user_id, route, key, fingerprint: fingerprintOf(request, body) }
          if (mode === "transaction")
            return transactions.once(keyedRequest, handler, { answerOf, replay })
          return isStreamed(body)
            ? Effect.fail(Business.invalidKey("cannot be used with stream"))
            : claims.once(keyedRequest, handler, replay)
        })
      })
    })
  }),
)

/** The message of an error thrown while layers build, so that the server does not start. */
const missingPolicyMessage = (route: string) =>
  `${route} does not declare how it handles repeated requests: annotate it with idempotent, claimed or repeatable (Policies.ts)`

/** The message of the same kind of error. A key is bound to the body, which a streaming endpoint has not read yet. */
const streamedBodyMessage = (route: string) =>
  `${route} streams its body, so it cannot read an Idempotency-Key: annotate it with repeatable (Policies.ts)`

/** Returns whether the response will be a stream; streams are not stored, so they cannot be replayed. */
const isStreamed = (body: string) => Option.isSome(decodeStreamed(body))
const decodeStreamed = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ stream: Schema.Literal(true) })),
)

/** Hashes method, path with query, and body. The host is left out, because one server may have several names. */
const fingerprintOf = (request: HttpServerRequest.HttpServerRequest, body: string) =>
  createHash("sha256").update(`${request.method}\0${request.url}\0${body}`).digest("base64url")

/** Returns a successful JSON or empty response for storage; null for any other, which is not stored. */
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
