import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Effect, type Pull, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import { BadRequestError, PayloadTooLargeError, RequestTimeoutError } from "../domain/Errors.ts"

type Request = HttpServerRequest.HttpServerRequest
type Incoming = ReturnType<typeof NodeHttpServerRequest.toIncomingMessage>

export type Refusal = BadRequestError | PayloadTooLargeError | RequestTimeoutError

export type Body = Stream.Stream<Uint8Array, Refusal>

/** A body being read. */
export interface BodyRead {
  readonly incoming: Incoming
  readonly timeOut: () => void
  /** Bytes received on the connection at the last check, and the steady time in ms of the last increase. */
  bytesReceived: number
  progressAt: number
}

/** Reads Node's stream directly: the stock reader resumes the fiber five times for a small body. */
export const readAll = (request: Request, maxBytes: number, activeReads: Set<BodyRead>) =>
  Effect.callback<Buffer, Refusal>((resume) => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Buffer> = []
    let size = 0
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) return finish(Effect.fail(new PayloadTooLargeError({ limit: maxBytes })))
      chunks.push(chunk)
    }
    const onEnd = () => finish(Effect.succeed(Buffer.concat(chunks, size)))
    const onAborted = () => finish(Effect.fail(endedEarly()))
    const detach = () => {
      activeReads.delete(reading)
      incoming.off("data", onData).off("end", onEnd).off("close", onAborted).off("error", onAborted)
      incoming.pause()
    }
    const finish = (result: Effect.Effect<Buffer, Refusal>) => {
      detach()
      resume(result)
    }
    const reading: BodyRead = {
      incoming,
      timeOut: () => finish(stalled),
      bytesReceived: -1,
      progressAt: 0,
    }
    if (incoming.destroyed) return onAborted()
    sendContinue(request)
    activeReads.add(reading)
    incoming.on("data", onData).on("end", onEnd).on("close", onAborted).on("error", onAborted)
    return Effect.sync(detach)
  })

/**
 * Streams a body. The idle time is measured only while the consumer waits for a chunk, so that a slow consumer causes
 * no timeout. The unread rest is discarded, as Node does with a body that nothing reads.
 */
export const streamOf = (request: Request, maxBytes: number, activeReads: Set<BodyRead>): Body =>
  Stream.suspend(() => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: AsyncIterator<Buffer> = incoming.iterator({ destroyOnReturn: false })
    let size = 0
    sendContinue(request)
    const next = Effect.tryPromise({ try: () => chunks.next(), catch: endedEarly })
    const pull = Effect.flatMap(
      Effect.raceFirst(next, waitUntilStalled(incoming, activeReads)),
      ({ done, value }): Pull.Pull<readonly [Buffer], PayloadTooLargeError> => {
        if (done === true) return Cause.done()
        size += value.length
        return size > maxBytes
          ? Effect.fail(new PayloadTooLargeError({ limit: maxBytes }))
          : Effect.succeed([value] as const)
      },
    )
    const discardRest = Effect.sync(() => {
      void chunks.return?.()
      incoming.resume()
    })
    return Stream.ensuring(Stream.fromPull(Effect.succeed(pull)), discardRest)
  })

const waitUntilStalled = (incoming: Incoming, activeReads: Set<BodyRead>) =>
  Effect.callback<never, RequestTimeoutError>((resume) => {
    const reading = { incoming, timeOut: () => resume(stalled), bytesReceived: -1, progressAt: 0 }
    activeReads.add(reading)
    return Effect.sync(() => activeReads.delete(reading))
  })

/** With `Expect: 100-continue`, the client sends the body only after this. */
const sendContinue = (request: Request) => {
  if (request.headers["expect"] !== undefined) {
    NodeHttpServerRequest.toServerResponse(request).writeContinue()
  }
}

const endedEarly = () => new BadRequestError({ reason: "The body ended early" })

const stalled = Effect.suspend(() =>
  Effect.fail(
    new RequestTimeoutError({
      reason: `No more of the body arrived for ${bodyIdleSeconds} seconds`,
    }),
  ),
)

/** Tests whether a defect is the refusal of a streamed body. */
export const isRefusal = (defect: unknown): defect is Refusal =>
  defect instanceof BadRequestError ||
  defect instanceof PayloadTooLargeError ||
  defect instanceof RequestTimeoutError
