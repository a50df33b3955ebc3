import { Cause, Effect, Exit, Layer, Option } from "effect"
import { codeOf } from "../api/Envelope.ts"
import { Metrics } from "../core/Metrics.ts"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { Call, timeoutHeader } from "./Call.ts"
import { withDeadline } from "./Deadline.ts"

export const layer = Layer.effect(
  Call,
  Effect.map(Metrics, (metrics) =>
    Call.of((handler, { headers, rpc }) =>
      Effect.withFiber((fiber) => {
        const { caller } = fiber.getRef(RequestInfo)
        const started = performance.now()
        const timeout = headers[timeoutHeader]
        const bounded = timeout === undefined ? handler : withDeadline(Number(timeout))(handler)
        return Effect.onExit(bounded, (exit) => {
          const seconds = (performance.now() - started) / 1000
          metrics.rpc(rpc._tag, caller ?? "operator", statusOf(exit), seconds)
          return Effect.void
        })
      }),
    ),
  ),
)

const statusOf = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return "success"
  if (Cause.hasInterruptsOnly(exit.cause)) return "CANCELLED"
  return codeOf(Option.getOrUndefined(Cause.findErrorOption(exit.cause)))
}
