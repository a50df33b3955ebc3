import type { IncomingMessage, ServerResponse } from "node:http"
import { Cause, Effect, Exit, type Pull, Stream } from "effect"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import { BadRequestError, PayloadTooLargeError, RequestTimeoutError } from "../domain/Errors.ts"

type Incoming = IncomingMessage

/** Node's objects of one request. */
export interface NodeExchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

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

/** The limit of a body, and the set in which it stands while it is read. */
interface Reading {
  readonly maxBytes: number
  readonly activeReads: Set<BodyRead>
}

/** Bodies that the hot path has read before it left their requests to the router. */
const keptBodies = new WeakMap<IncomingMessage, Buffer>()

/** Makes `readAll` return this body, because Node's stream can be read only once. */
export const keepBody = (incoming: IncomingMessage, body: Buffer) => keptBodies.set(incoming, body)

/**
 * Reads a body and calls `done` once, unless the returned function cancels the reading. Reads Node's stream directly:
 * the stock reader resumes its fiber five times for a small body.
 */
export const readAll = (
  { incoming, outgoing }: NodeExchange,
  { activeReads, maxBytes }: Reading,
  done: (body: Exit.Exit<Buffer, Refusal>) => void,
): (() => void) => {
  const kept = keptBodies.get(incoming)
  if (kept !== undefined) {
    done(Exit.succeed(kept))
    return () => undefined
  }
  const chunks: Array<Buffer> = []
  let size = 0
  const onData = (chunk: Buffer) => {
    size += chunk.length
    if (size > maxBytes) return finish(Exit.fail(new PayloadTooLargeError({ limit: maxBytes })))
    chunks.push(chunk)
  }
  const onEnd = () => {
    const [first] = chunks
    const isWhole = first !== undefined && chunks.length === 1
    finish(Exit.succeed(isWhole ? first : Buffer.concat(chunks, size)))
  }
  const onAborted = () => finish(Exit.fail(endedEarly()))
  const cancel = () => {
    activeReads.delete(reading)
    incoming.off("data", onData).off("end", onEnd).off("close", onAborted).off("error", onAborted)
    incoming.pause()
  }
  const finish = (body: Exit.Exit<Buffer, Refusal>) => {
    cancel()
    done(body)
  }
  const reading: BodyRead = {
    incoming,
    timeOut: () => finish(Exit.fail(stalled())),
    bytesReceived: -1,
    progressAt: 0,
  }
  if (incoming.destroyed) {
    onAborted()
    return cancel
  }
  sendContinue(incoming, outgoing)
  activeReads.add(reading)
  incoming.on("data", onData).on("end", onEnd).on("close", onAborted).on("error", onAborted)
  return cancel
}

/**
 * Streams a body. The idle time is measured only while the consumer waits for a chunk, so that a slow consumer causes
 * no timeout. The unread rest is discarded, as Node does with a body that nothing reads.
 */
export const streamOf = (
  { incoming, outgoing }: NodeExchange,
  { activeReads, maxBytes }: Reading,
): Body =>
  Stream.suspend(() => {
    const chunks: AsyncIterator<Buffer> = incoming.iterator({ destroyOnReturn: false })
    let size = 0
    sendContinue(incoming, outgoing)
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
    const reading = {
      incoming,
      timeOut: () => resume(Effect.fail(stalled())),
      bytesReceived: -1,
      progressAt: 0,
    }
    activeReads.add(reading)
    return Effect.sync(() => activeReads.delete(reading))
  })

/** With `Expect: 100-continue`, the client sends the body only after this. */
const sendContinue = (incoming: Incoming, outgoing: NodeExchange["outgoing"]) => {
  if (incoming.headers.expect !== undefined) outgoing.writeContinue()
}

const endedEarly = () => new BadRequestError({ reason: "The body ended early" })

const stalled = () =>
  new RequestTimeoutError({
    reason: `No more of the body arrived for ${bodyIdleSeconds} seconds`,
  })

/** Tests whether a defect is the refusal of a streamed body. */
export const isRefusal = (defect: unknown): defect is Refusal =>
  defect instanceof BadRequestError ||
  defect instanceof PayloadTooLargeError ||
  defect instanceof RequestTimeoutError
