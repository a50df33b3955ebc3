import {
  Cause,
  Context,
  Effect,
  ErrorReporter,
  Exit,
  identity,
  Layer,
  Option,
  Result,
  Schema,
  Tracer,
} from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { RpcSerialization, RpcServer } from "effect/rpc"
import { Bodies, setText } from "../core/Bodies.ts"
import { Settings } from "../core/Settings.ts"
import { Tracing } from "../core/Tracing.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { Call, CallsInBody } from "./Call.ts"
import * as Calls from "./Calls.ts"
import { callsIn, linesOf } from "./Frames.ts"
import * as Gate from "./Gate.ts"
import * as RpcHandlers from "./RpcHandlers.ts"
import { Rpcs } from "./Rpcs.ts"
import * as Unary from "./Unary.ts"

/** Where the methods are called, when there is an RPC_TOKEN. */
export const paths = ({ rpcTokens }: Settings["Service"]) =>
  rpcTokens.length > 0 ? (["/rpc"] as const) : []

/** The methods of `Rpcs` over HTTP. What is wrong with a request as a whole is told as REST tells it. */
export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const settings = yield* Settings
    const [path] = paths(settings)
    if (path === undefined) return
    const gate = yield* Gate.make(path)
    const { readJson } = yield* Bodies
    const { begin } = yield* Tracing
    const calls = Effect.provideService(
      yield* RpcServer.toHttpEffect(Rpcs, {
        disableFatalDefects: true,
        disableTracing: begin === null,
      }),
      ErrorReporter.CurrentErrorReporters,
      new Set([bugs]),
    )

    const unary = yield* Unary.make(begin !== null)

    const dispatched = (request: HttpServerRequest.HttpServerRequest, body: string) => {
      const found = callsIn(body)
      if (Result.isFailure(found)) return Exit.fail(found.failure)
      const [first, ...others] = found.success
      const alone = first && others.length === 0 ? unary(first, request.headers) : undefined
      if (alone !== undefined) return alone
      setText(request, linesOf(found.success))
      return Effect.provideService(calls, CallsInBody, found.success.length)
    }

    const answer = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.withFiber((fiber) =>
        gate(request.headers, fiber.getRef(RequestInfo)).pipe(
          Effect.andThen(readJson(request, "application/x-ndjson")),
          Effect.flatMap((body) => dispatched(request, body)),
          begin === null ? identity : Effect.flatMap(traced),
        ),
      )

    yield* router.add("POST", path, (request) =>
      Effect.catch(answer(request), (error) => Effect.succeed(refusal(error))),
    )
  }),
).pipe(Layer.provide([RpcHandlers.layer, Calls.layer, RpcSerialization.layerNdjson, Bodies.layer]))

/** A caller is told that there is a bug; what it is stands in the log. */
const bugs = ErrorReporter.make(({ cause, fiber }) => {
  if (!Cause.hasDies(cause)) return
  Effect.runForkWith(fiber.context)(Effect.logError("RPC call failed", cause))
})

/** W3C Trace Context Level 2: where the spans of the call are, also when the caller has none. */
const traced = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.withFiber((fiber) => {
    const span = Context.getOption(fiber.context, Tracer.ParentSpan)
    return Effect.succeed(
      Option.isNone(span)
        ? response
        : HttpServerResponse.setHeader(
            response,
            "traceresponse",
            `00-${span.value.traceId}-${span.value.spanId}-01`,
          ),
    )
  })

const statuses = {
  AuthenticationError: 401,
  BadRequestError: 400,
  PayloadTooLargeError: 413,
  RateLimitError: 429,
  RequestTimeoutError: 408,
  UnsupportedMediaTypeError: 415,
} as const

const encode = Schema.encodeSync(Call.error)

const refusal = (error: Extract<typeof Call.error.Type, { _tag: keyof typeof statuses }>) =>
  HttpServerResponse.jsonUnsafe(encode(error), { status: statuses[error._tag] })
