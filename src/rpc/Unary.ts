import { Cause, Effect, Exit, Schema, Stream } from "effect"
import { Rpc, RpcSerialization } from "effect/rpc"
import { memoize } from "../core/telemetry/Memoize.ts"
import type { CallHeaders } from "./Call.ts"
import * as Calls from "./Calls.ts"
import type { Frame } from "./Frames.ts"
import type { Methods } from "./RpcClient.ts"
import * as RpcHandlers from "./RpcHandlers.ts"

export const { contentType } = RpcSerialization.ndjson
const { codecFor } = RpcSerialization.ndjson

type Answer =
  | Effect.Effect<unknown, Rpc.Error<Methods>>
  | Stream.Stream<unknown, Rpc.Error<Methods>>

/**
 * Answers a single call of a method without a stream, in the fiber of its request. The RPC server, which answers all
 * other bodies, starts a fiber, a queue and a context per call: a third more CPU than the same call in REST.
 */
export const make = Effect.fnUntraced(function* (isTraced: boolean) {
  const runCall = yield* Calls.make
  const handlers = yield* RpcHandlers.make
  const encoderOf = memoize((method: Methods) =>
    Schema.encodeUnknownEffect(codecFor(Rpc.exitSchema(method))),
  )

  /** Returns the line that answers a call; undefined for a method that answers with a stream. */
  return ({ id, method, payload }: Frame, headers: CallHeaders) => {
    const { _tag: tag } = method
    const handler: Answer = handlers[tag](payload)
    if (Stream.isStream(handler)) return undefined
    const encode = encoderOf(method)
    const call = runCall(handler, tag, headers)
    const traced = isTraced ? Effect.withSpan(call, tag, { kind: "server" }) : call
    return Effect.exit(traced).pipe(
      Effect.tap(logDefect),
      Effect.flatMap(encode),
      Effect.catchTag("SchemaError", (error) => {
        const bug = Exit.die(error)
        return Effect.andThen(logDefect(bug), encode(bug))
      }),
      Effect.orDie,
      Effect.map((exit) => `${JSON.stringify({ _tag: "Exit", requestId: id, exit })}\n`),
    )
  }
})

/** Logs a defect. Its details are not sent to the caller. */
const logDefect = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause)
    ? Effect.logError("RPC call failed", exit.cause)
    : Effect.void
