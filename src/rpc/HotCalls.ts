import { Cause, Effect, Exit, Result } from "effect"
import { Settings } from "../core/settings/Settings.ts"
import { Tracing } from "../core/telemetry/Tracing.ts"
import { textOf } from "../http/Bodies.ts"
import { keepBody } from "../http/BodyReaders.ts"
import * as HotAnswers from "../http/hot/HotAnswers.ts"
import type { HotRequest, HotRoute } from "../http/hot/HotPath.ts"
import { parseCalls } from "./Frames.ts"
import * as Gate from "./Gate.ts"
import { paths, refusalOf } from "./RpcHttp.ts"
import * as Unary from "./Unary.ts"

/**
 * The route of RPC on the hot path, which answers a body with a single call. Bodies with several calls or with a stream
 * are left to the router, as is every call while traces are recorded.
 */
export const routes = Effect.gen(function* () {
  const [path] = paths(yield* Settings)
  const { begin } = yield* Tracing
  if (path === undefined || begin !== null) return []
  const answers = yield* HotAnswers.make
  const gate = yield* Gate.make(path)
  const answerCall = yield* Unary.make(false)

  /** Ends a call that is not run. */
  const refuse = (
    call: HotAnswers.HotCall,
    cause: Cause.Cause<Parameters<typeof refusalOf>[0]>,
  ) => {
    answers.start(call)
    const error = cause.reasons.find(Cause.isFailReason)?.error
    if (error === undefined) return answers.fail(call, cause)
    const { envelope, status } = refusalOf(error)
    return answers.refuse(call, status, JSON.stringify(envelope))
  }

  const answer = (request: HotRequest, call: HotAnswers.HotCall, body: Buffer) => {
    const text = textOf(body)
    if (Exit.isFailure(text)) return refuse(call, text.cause)
    const calls = parseCalls(text.value)
    if (Result.isFailure(calls)) return refuse(call, Cause.fail(calls.failure))
    const [first, ...others] = calls.success
    const line = first && others.length === 0 ? answerCall(first, request.headers) : undefined
    if (line === undefined) {
      keepBody(request.incoming, body)
      return request.leaveToRouter()
    }
    answers.start(call)
    return answers.run(
      call,
      () => line,
      (exit) =>
        Exit.isSuccess(exit)
          ? answers.send(call, { status: 200, body: exit.value, headers: ndjson })
          : answers.fail(call, exit.cause),
    )
  }

  const read = (request: HotRequest, call: HotAnswers.HotCall) =>
    answers.read(call, answers.maxBodyBytes, (body) =>
      Exit.isSuccess(body) ? answer(request, call, body.value) : refuse(call, body.cause),
    )

  const route: HotRoute = {
    method: "POST",
    path,
    answer: (request) => {
      if (!HotAnswers.hasPlainBody(request, Unary.contentType, answers.maxBodyBytes)) return false
      const call = answers.open(request, path)
      answers.run(
        call,
        () => gate(request.headers, call.exchange),
        (exit) => {
          if (Exit.isSuccess(exit)) read(request, call)
          else refuse(call, exit.cause)
        },
      )
      return true
    },
  }
  return [route]
})

const ndjson = { "content-type": Unary.contentType }
