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
import { Bodies, setText } from "../http/Bodies.ts"
import { Settings } from "../core/settings/Settings.ts"
import { Tracing } from "../core/telemetry/Tracing.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { kindOfFailure } from "../http/Envelope.ts"
import { Limits } from "../http/Limits.ts"
import { Call, CallsInBody } from "./Call.ts"
import * as Calls from "./Calls.ts"
import { parseCalls, toLines } from "./Frames.ts"
import * as Gate from "./Gate.ts"
import * as RpcHandlers from "./RpcHandlers.ts"
import { Rpcs } from "./Rpcs.ts"
import * as Unary from "./Unary.ts"

/** The path of RPC, which is served only if RPC_TOKEN is set. */
export const paths = ({ rpcTokens }: Settings["Service"]) =>
  rpcTokens.length > 0 ? (["/rpc"] as const) : []

/** Serves the methods of `Rpcs` over HTTP. Failures of a whole request have the status and envelope of REST. */
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
      new Set([defectReporter]),
    )

    const unary = yield* Unary.make(begin !== null)

    const dispatch = (request: HttpServerRequest.HttpServerRequest, body: string) => {
      const parsed = parseCalls(body)
      if (Result.isFailure(parsed)) return Exit.fail(parsed.failure)
      const [first, ...others] = parsed.success
      const line = first && others.length === 0 ? unary(first, request.headers) : undefined
      if (line !== undefined) return Effect.map(line, lineResponse)
      setText(request, toLines(parsed.success))
      return Effect.provideService(calls, CallsInBody, parsed.success.length)
    }

    const answer = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.withFiber((fiber) =>
        gate(request.headers, fiber.getRef(RequestInfo)).pipe(
          Effect.andThen(readJson(request, ndjson)),
          Effect.flatMap((body) => dispatch(request, body)),
          begin === null ? identity : Effect.flatMap(withTraceResponse),
        ),
      )

    yield* router.add("POST", path, (request) =>
      Effect.catch(answer(request), (error) => Effect.succeed(toResponse(error))),
    )
  }),
).pipe(
  Layer.provide([
    Limits.layer,
    RpcHandlers.layer,
    Calls.layer,
    RpcSerialization.layerNdjson,
    Bodies.layer,
  ]),
)

const ndjson = { types: ["application/x-ndjson"] }

/** Logs defects. Their details are not sent to the caller. */
const defectReporter = ErrorReporter.make(({ cause, fiber }) => {
  if (!Cause.hasDies(cause)) return
  Effect.runForkWith(fiber.context)(Effect.logError("RPC call failed", cause))
})

/** Adds `traceresponse` (W3C Trace Context Level 2), so that callers without a trace can find the spans of the call. */
const withTraceResponse = (response: HttpServerResponse.HttpServerResponse) =>
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

const lineResponse = (line: string) =>
  HttpServerResponse.text(line, { contentType: Unary.contentType })

const encode = Schema.encodeSync(Call.error)

/** Returns the status and the envelope of a failure of a whole request. */
export const refusalOf = (error: typeof Call.error.Type) => ({
  status: kindOfFailure(error).status,
  envelope: encode(error),
})

const toResponse = (error: typeof Call.error.Type) => {
  const { envelope, status } = refusalOf(error)
  return HttpServerResponse.jsonUnsafe(envelope, { status })
}
