import { Cause, Effect, Exit, Layer, Option } from "effect"
import { kindOfFailure } from "../http/Envelope.ts"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { ValidationError } from "../domain/Errors.ts"
import { maxIssues, limitIssues } from "../domain/Issues.ts"
import { Call, type CallHeaders, CallsInBody, timeoutHeader } from "./Call.ts"
import { withDeadline } from "./Deadline.ts"

/** Returns a function that runs a call within its deadline, and counts and times it. `Gate` has checked the headers. */
export const make = Effect.map(
  Metrics,
  (metrics) =>
    <A, E, R>(handler: Effect.Effect<A, E, R>, method: string, headers: CallHeaders) =>
      Effect.withFiber((fiber) => {
        const { caller } = fiber.getRef(RequestInfo)
        const started = performance.now()
        const timeout = headers[timeoutHeader]
        return Effect.onExit(
          timeout === undefined ? handler : withDeadline(Number(timeout))(handler),
          (exit) => {
            const seconds = (performance.now() - started) / 1000
            metrics.rpc(method, caller ?? "operator", statusOf(exit), seconds)
            return Exit.void
          },
        )
      }),
)

export const layer = Layer.effect(
  Call,
  Effect.map(make, (runCall) =>
    Call.of((handler, { headers, rpc }) => runCall(capIssues(handler), rpc._tag, headers)),
  ),
)

/** Limits the issues of a call, because all calls of a body share the maximum number of issues in the response. */
const capIssues = <A, E, R>(handler: Effect.Effect<A, E, R>) =>
  Effect.flatMap(CallsInBody, (calls) =>
    Effect.mapError(handler, (error) =>
      error instanceof ValidationError ? limitIssues(error, Math.floor(maxIssues / calls)) : error,
    ),
  )

const statusOf = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return "success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "CANCELLED"
  return kindOfFailure(Option.getOrUndefined(Cause.findErrorOption(exit.cause))).code
}
