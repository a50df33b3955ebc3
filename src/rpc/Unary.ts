import { Cause, Effect, Exit, Schema } from "effect"
import { Rpc, RpcSchema, RpcSerialization } from "effect/rpc"
import { memoize } from "../core/telemetry/Memoize.ts"
import type { CallHeaders } from "./Call.ts"
import * as Calls from "./Calls.ts"
import type { Frame } from "./Frames.ts"
import type { Methods } from "./RpcClient.ts"
import * as RpcHandlers from "./RpcHandlers.ts"

export const { contentType } = RpcSerialization.ndjson
const { codecFor } = RpcSerialization.ndjson

type Answer = Effect.Effect<unknown, Rpc.Error<Methods>>

/**
 * Answers a single call of a method without a stream, in the fiber of its request. The RPC server, which answers all
 * other bodies, starts a fiber, a queue and a context per call: a third more CPU than the same call in REST.
 */
export const make = Effect.fnUntraced(function* (isTraced: boolean) {
  const runCall = yield* Calls.make
  const handlers = yield* RpcHandlers.make
  const encoderOf = memoize((method: Methods) =>
    Schema.encodeUnknownExit(codecFor(Rpc.exitSchema(method))),
  )

  /** Returns the line that answers a call; undefined for a method that answers with a stream. */
  return ({ id, method, payload }: Frame, headers: CallHeaders) => {
    const { _tag: tag } = method
    if (RpcSchema.isStreamSchema(method.successSchema)) return undefined
    const encode = encoderOf(method)
    const lineOf = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<string> => {
      const encoded = encode(exit)
      if (Exit.isSuccess(encoded)) {
        const line = JSON.stringify({ _tag: "Exit", requestId: id, exit: encoded.value })
        return Exit.succeed(`${line}\n`)
      }
      // A result that does not fit the contract is a bug. Every defect can be encoded.
      return hasDefect(exit) ? Exit.die(encoded.cause) : lineOfDefect(Cause.die(encoded.cause))
    }
    /** Logs a defect. Its details are not sent to the caller. */
    const lineOfDefect = (cause: Cause.Cause<unknown>) =>
      Effect.andThen(Effect.logError("RPC call failed", cause), lineOf(Exit.failCause(cause)))
    // A handler of a method without a stream returns an effect.
    const handler = Effect.suspend(() => handlers[tag](payload) as Answer)
    const call = runCall(handler, tag, headers)
    return Effect.matchCauseEffect(
      isTraced ? Effect.withSpan(call, tag, { kind: "server" }) : call,
      {
        onSuccess: (value) => lineOf(Exit.succeed(value)),
        onFailure: (cause) =>
          Cause.hasDies(cause) ? lineOfDefect(cause) : lineOf(Exit.failCause(cause)),
      },
    )
  }
})

const hasDefect = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause)
