import { Cause, Clock, Context, Effect, Exit, Fiber } from "effect"
import { Cookies, type HttpServerResponse } from "effect/http"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { Lifecycle } from "../../core/Lifecycle.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { Tracing } from "../../core/telemetry/Tracing.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { Bodies } from "../Bodies.ts"
import type { NodeExchange } from "../BodyReaders.ts"
import { asEnvelope, failureHeaders, platformFailure, unreadBodyStatuses } from "../EdgeFailures.ts"
import { Exchange } from "../Exchange.ts"
import { type HeaderSet, headerSets, limitHeaders } from "../Headers.ts"
import * as Recorder from "../Recorder.ts"
import { withoutPlinthServices } from "../RequestContext.ts"
import { withAbsentServices } from "./Absent.ts"
import type { HotRequest } from "./HotPath.ts"

/** A request that the hot path answers. */
export interface HotCall extends NodeExchange {
  readonly exchange: Exchange
  /** The context of its fiber. */
  readonly context: Context.Context<never>
}

interface HotAnswer {
  readonly status: number
  /** Undefined: no body. */
  readonly body: string | Uint8Array | undefined
  /** The headers beside those that every response has. */
  readonly headers: HeaderSet
}

export const json: HeaderSet = { "content-type": "application/json" }

/** The longest body on the hot path, in bytes: reading a longer one costs more than the router does. */
const maxBodyBytes = 65_536

/** Tests for a body of exactly this media type, and of a known length within the limit. */
export const hasPlainBody = ({ headers }: HotRequest, type: string, maxBytes: number) => {
  const length = headers["content-length"]
  return length !== undefined && Number(length) <= maxBytes && headers["content-type"] === type
}

/** Does for requests on the hot path what `Protocol` and the platform do for those to the router. */
export const make = Effect.gen(function* () {
  const settings = yield* Settings
  const metrics = yield* Metrics
  const lifecycle = yield* Lifecycle
  const { abandon, read } = yield* Bodies
  const { begin } = yield* Tracing
  const record = yield* Recorder.make
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const context = withAbsentServices(withoutPlinthServices(yield* Effect.context<never>()))
  const { of: headersOf } = headerSets(settings)
  const { BODY_LIMIT_BYTES: bodyLimit, TRUSTED_PROXIES: trustedProxies } = settings

  /** Takes over a request. */
  const open = (request: HotRequest, label: string): HotCall => {
    const { incoming, outgoing } = request
    const { remoteAddress } = incoming.socket
    const exchange = new Exchange(request, { trustedProxies, remoteAddress })
    exchange.endpoint = label
    const own = Context.add(context, RequestInfo, exchange)
    if (begin === null) return { incoming, outgoing, exchange, context: own }
    const { method, path } = exchange
    const begun = begin(own, { method, path, headers: request.headers as never })
    exchange.span = begun.span
    return { incoming, outgoing, exchange, context: begun.context }
  }

  /** Counts a call, which has to be answered from here on. */
  const start = ({ exchange: { endpoint, method } }: HotCall) =>
    metrics.httpStarted(method, endpoint)

  const send = (call: HotCall, { body, headers, status }: HotAnswer, failed?: HeaderSet) => {
    const { exchange, outgoing } = call
    if (outgoing.destroyed) return record(exchange, Recorder.clientClosedRequest)
    abandon(call)
    const head: Array<string> = []
    append(head, headers)
    if (body !== undefined) head.push("content-length", String(Buffer.byteLength(body)))
    append(head, headersOf(exchange, headers))
    head.push("x-request-id", exchange.request_id)
    if (exchange.limit !== undefined) {
      append(head, limitHeaders(exchange.limit, clock.currentTimeMillisUnsafe()))
    }
    if (failed !== undefined) append(head, failed)
    if (lifecycle.draining || unreadBodyStatuses.has(status)) head.push("connection", "close")
    try {
      outgoing.writeHead(status, head)
    } catch (defect) {
      // A handler gave its response a status or a header that Node refuses. Our own failures have none.
      if (!outgoing.headersSent && status !== 500) return fail(call, Cause.die(defect))
      outgoing.destroy()
    }
    record(exchange, status)
    outgoing.end(body)
    return undefined
  }

  /** Sends a failure in its envelope. */
  const refuse = (call: HotCall, status: number, text: string) => {
    send(call, { status, body: text, headers: json }, failureHeaders(status, text))
  }

  /** Sends a response that a handler made itself. */
  const sendResponse = (call: HotCall, made: HttpServerResponse.HttpServerResponse): void => {
    const response = asEnvelope(made, bodyLimit)
    const { body, cookies, status } = response
    const { "content-length": _length, ...headers } = response.headers
    if (body._tag === "Uint8Array" && Cookies.isEmpty(cookies)) {
      return send(call, { status, body: body.body, headers })
    }
    return body._tag === "Empty" && Cookies.isEmpty(cookies)
      ? send(call, { status, body: undefined, headers })
      : fail(call, Cause.die(unsendable(call)))
  }

  /** Answers what has no response in the contract: a bug, or a client that has disconnected. */
  const fail = (call: HotCall, cause: Cause.Cause<unknown>) => {
    if (Cause.hasInterruptsOnly(cause)) {
      // A handler may be interrupted by something else than its client, who then waits for an answer.
      if (!call.outgoing.destroyed) call.outgoing.writeHead(503).end()
      return record(call.exchange, Recorder.clientClosedRequest)
    }
    Effect.runForkWith(call.context)(Effect.logError("request failed", cause))
    return sendResponse(call, platformFailure(500, bodyLimit))
  }

  /**
   * Runs an effect in one fiber, which has nearly always ended when this returns. An `Exit` needs none. What `make` or
   * `done` throws is answered as a bug: outside a fiber it would end the process.
   */
  const run = <A, E>(
    call: HotCall,
    make: () => Effect.Effect<A, E>,
    done: (exit: Exit.Exit<A, E>) => void,
  ): void => {
    const settle = (exit: Exit.Exit<A, E>) => {
      try {
        done(exit)
      } catch (defect) {
        fail(call, Cause.die(defect))
      }
    }
    const effect = attempt(make)
    if (Exit.isExit(effect)) return settle(effect as Exit.Exit<A, E>)
    const fiber = Fiber.runIn(Effect.runForkWith(call.context)(effect), scope)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return settle(exit)
    fiber.addObserver(settle)
    call.outgoing.on("close", () => {
      if (!call.outgoing.writableEnded) fiber.interruptUnsafe()
    })
  }

  return {
    open,
    start,
    send,
    refuse,
    sendResponse,
    fail,
    run,
    read,
    clock,
    /** The longest body on the hot path, in bytes. */
    maxBodyBytes: Math.min(bodyLimit, maxBodyBytes),
  }
})

const append = (head: Array<string>, headers: HeaderSet) => {
  for (const name in headers) head.push(name, headers[name] ?? "")
}

const attempt = <A, E>(make: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return make()
  } catch (defect) {
    return Exit.die(defect)
  }
}

const unsendable = ({ exchange: { endpoint, method } }: HotCall) =>
  new Error(
    `${method} ${endpoint} answered with a stream or a cookie, which the hot path cannot send: annotate it with offHotPath (Policies.ts)`,
  )
