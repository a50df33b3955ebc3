import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import {
  ByteSize,
  Cause,
  Clock,
  Context,
  Effect,
  Exit,
  type Fiber,
  Layer,
  Option,
  type Types,
} from "effect"
import {
  HttpIncomingMessage,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
} from "effect/http"
import { Bodies, nodeExchangeOf } from "./Bodies.ts"
import { Lifecycle } from "../core/Lifecycle.ts"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { Settings } from "../core/settings/Settings.ts"
import { Tracing } from "../core/telemetry/Tracing.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import {
  asEnvelope,
  badRequest,
  failure,
  failureHeaders,
  forbidden,
  notAllowed,
  platformFailure,
  unreadBodyStatuses,
} from "./EdgeFailures.ts"
import { endpointLabel, Exchange, unloggedRoutes, unmatched } from "./Exchange.ts"
import { headerSets, limitHeaders, preflightHeaders } from "./Headers.ts"
import * as Recorder from "./Recorder.ts"
import type { Routes } from "./Routes.ts"

type Response = HttpServerResponse.HttpServerResponse

/**
 * The HTTP edge: a middleware around the router, through which every response passes. From the outside in: request id,
 * headers, log line and metrics > CORS > envelope of every failure > body limit > router.
 */
export const layerOf = ({ bodyLimitOf, methodsOf, smallestBodyLimit }: Routes) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const settings = yield* Settings
      const metrics = yield* Metrics
      const lifecycle = yield* Lifecycle
      const { abandon } = yield* Bodies
      const { begin } = yield* Tracing
      const record = yield* Recorder.make
      const clock = yield* Clock.Clock
      const headers = headerSets(settings)
      const limit = settings.BODY_LIMIT_BYTES
      const limitSize = ByteSize.bytes(limit)
      const smallestLimit = Math.min(limit, smallestBodyLimit)
      const exchangeOptions = { trustedProxies: settings.TRUSTED_PROXIES }

      /** Starts the metrics of an endpoint that the contract does not have, because `Observation` did not. */
      const startUnobserved = (exchange: Exchange, fiber: Fiber.Fiber<unknown, unknown>) => {
        if (exchange.endpoint !== unmatched) return
        exchange.endpoint = routeLabel(fiber)
        metrics.httpStarted(exchange.method, exchange.endpoint)
      }

      const finish = (
        exchange: Exchange,
        request: HttpServerRequest.HttpServerRequest,
        fiber: Fiber.Fiber<unknown, unknown>,
        answer: Response,
      ) => {
        abandon(nodeExchangeOf(request))
        startUnobserved(exchange, fiber)
        const response = asEnvelope(answer, limit)
        record(exchange, response.status)
        return HttpServerResponse.setHeaders(response, {
          ...headers.of(exchange, response.headers),
          "x-request-id": exchange.request_id,
          ...(exchange.limit && limitHeaders(exchange.limit, clock.currentTimeMillisUnsafe())),
          ...(response.status < 400
            ? undefined
            : failureHeaders(response.status, textOf(response))),
          ...(lifecycle.draining || unreadBodyStatuses.has(response.status)
            ? { connection: "close" }
            : undefined),
        })
      }

      /** Refuses or answers requests that must not reach the router. */
      const intercept = (
        request: HttpServerRequest.HttpServerRequest,
        { isRoutable }: Exchange,
      ): Response | undefined => {
        const { headers: sent, method } = request
        if (sent["host"] === undefined && !isHttp10(request)) {
          return failure(badRequest, "The Host header is missing")
        }
        if (sent["expect"] !== undefined && sent["expect"].toLowerCase() !== "100-continue") {
          return failure({ ...badRequest, status: 417 }, "The Expect header is not supported")
        }
        const length = Number(sent["content-length"] ?? 0)
        if (length > smallestLimit) {
          const bodyLimit = bodyLimitOf(method, request.url) ?? limit
          if (length > bodyLimit) return platformFailure(413, bodyLimit)
        }
        if (!isRoutable) return platformFailure(404, limit)
        return method === "OPTIONS" ? preflight(request) : undefined
      }

      const preflight = (request: HttpServerRequest.HttpServerRequest): Response | undefined => {
        const { headers: sent } = request
        const method = sent["access-control-request-method"]
        const { origin } = sent
        if (origin === undefined || method === undefined) return undefined
        const allowed = methodsOf(request.url)
        if (allowed.length === 0) return platformFailure(404, limit)
        if (!allowed.includes(method)) return notAllowed(allowed)
        if (!headers.allows(origin)) {
          return failure(forbidden, "This origin is not allowed")
        }
        return HttpServerResponse.empty({ status: 204, headers: preflightHeaders(allowed) })
      }

      const fromFailure = (
        cause: Cause.Cause<unknown>,
        request: HttpServerRequest.HttpServerRequest,
      ): Effect.Effect<Response> => {
        const error = Cause.squash(cause)
        if (HttpServerError.isHttpServerError(error)) {
          const { reason } = error
          if (reason._tag === "RouteNotFound") {
            const allowed = methodsOf(request.url)
            return Effect.succeed(
              allowed.length === 0 ? platformFailure(404, limit) : notAllowed(allowed),
            )
          }
          if (reason._tag === "RequestParseError") {
            return Effect.succeed(
              platformFailure(reason.reason === "BodyTooLarge" ? 413 : 400, limit),
            )
          }
        }
        return Effect.as(Effect.logError("request failed", cause), platformFailure(500, limit))
      }

      const answer = (
        app: Effect.Effect<Response, Types.unhandled>,
        request: HttpServerRequest.HttpServerRequest,
        exchange: Exchange,
        fiber: Fiber.Fiber<unknown, unknown>,
      ) =>
        Effect.matchCauseEffect(app, {
          onSuccess: (response) => Exit.succeed(finish(exchange, request, fiber, response)),
          onFailure: (cause) => {
            if (Cause.hasInterruptsOnly(cause)) {
              startUnobserved(exchange, fiber)
              record(exchange, Recorder.clientClosedRequest)
              return Effect.failCause(cause)
            }
            return Effect.map(fromFailure(cause, request), (response) =>
              finish(exchange, request, fiber, response),
            )
          },
        })

      let isProxyKnown = settings.TRUSTED_PROXIES > 0

      return HttpRouter.middleware(
        (app) =>
          Effect.withFiber((fiber) => {
            const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
            const exchange = new Exchange(request, {
              ...exchangeOptions,
              remoteAddress: Option.getOrUndefined(request.remoteAddress),
            })
            fiber.setContext(
              Context.add(
                Context.add(fiber.context, RequestInfo, exchange),
                HttpIncomingMessage.MaxBodySize,
                limitSize,
              ),
            )
            if (begin !== null && !unloggedRoutes.has(exchange.path)) {
              const { method, path } = exchange
              const begun = begin(fiber.context, { method, path, headers: request.headers })
              exchange.span = begun.span
              fiber.setContext(begun.context)
            }
            const early = intercept(request, exchange)
            if (early !== undefined) return Exit.succeed(finish(exchange, request, fiber, early))
            if (!isProxyKnown && request.headers["x-forwarded-for"] !== undefined) {
              isProxyKnown = true
              return Effect.andThen(warnAboutProxy, answer(app, request, exchange, fiber))
            }
            return answer(app, request, exchange, fiber)
          }),
        { global: true },
      )
    }),
  ).pipe(Layer.provide(Bodies.layer))

/** RFC 9112 §3.2 requires Host from HTTP/1.1 only. Health checks of load balancers still use 1.0. */
const isHttp10 = (request: HttpServerRequest.HttpServerRequest) =>
  NodeHttpServerRequest.toIncomingMessage(request).httpVersion === "1.0"

const warnAboutProxy = Effect.logWarning(
  "X-Forwarded-For ignored: TRUSTED_PROXIES is 0, so every client has the address of the proxy",
)

const textOf = ({ body }: Response) =>
  body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""

const routeLabel = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const matched = Context.getOrUndefined(fiber.context, HttpRouter.RouteContext)
  return matched === undefined ? unmatched : endpointLabel(matched.route.path)
}
