import { isUtf8 } from "node:buffer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Clock, Context, Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import {
  BadRequestError,
  PayloadTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
} from "../domain/Errors.ts"
import { problemIn } from "./JsonScan.ts"
import { Settings } from "../core/settings/Settings.ts"
import { steadyMillis } from "../core/SteadyClock.ts"

type Request = HttpServerRequest.HttpServerRequest
type Incoming = ReturnType<typeof NodeHttpServerRequest.toIncomingMessage>
type Outgoing = ReturnType<typeof NodeHttpServerRequest.toServerResponse>

export type Failure = Refusal | UnsupportedMediaTypeError
type Refusal = BadRequestError | PayloadTooLargeError | RequestTimeoutError

/** A body being read. */
interface BodyRead {
  readonly incoming: Incoming
  readonly timeOut: () => void
  /** Bytes received on the connection at the last check, and the steady time in ms of the last increase. */
  bytesReceived: number
  progressAt: number
}

/** The unread body of an answered request, and the steady time in ms at which the response was complete. */
interface AbandonedBody {
  readonly incoming: Incoming
  readonly outgoing: Outgoing
  answeredAt: number
}

/** Reads request bodies of up to BODY_LIMIT_BYTES, and times out bodies that stall. */
export class Bodies extends Context.Service<
  Bodies,
  {
    /** Returns the body as JSON text that is safe to parse, or as lines of such text. */
    readonly readJson: (request: Request, accepted?: MediaType) => Effect.Effect<string, Failure>
    /** Call when a request was answered without reading its body. The client may send the rest for up to 30 s. */
    readonly abandon: (request: Request) => void
  }
>()("plinth/http/Bodies") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { BODY_LIMIT_BYTES: limit } = yield* Settings
      const readings = new Set<BodyRead>()
      const abandoned = new Set<AbandonedBody>()
      const clock = yield* Clock.Clock

      /** One timer serves all bodies, so that a body that arrives immediately costs next to nothing. */
      const checkStalled = Effect.sync(() => {
        const now = steadyMillis(clock)
        for (const reading of readings) {
          const { bytesRead } = reading.incoming.socket
          if (bytesRead > reading.bytesReceived) {
            reading.bytesReceived = bytesRead
            reading.progressAt = now
          } else if (now - reading.progressAt >= bodyIdleSeconds * 1000) reading.timeOut()
        }
        for (const body of abandoned) {
          const { incoming, outgoing, answeredAt } = body
          if (incoming.complete || incoming.destroyed) abandoned.delete(body)
          else if (!outgoing.writableFinished) body.answeredAt = now
          else if (now - answeredAt >= bodyIdleSeconds * 1000) incoming.socket.destroy()
        }
      })
      yield* checkStalled.pipe(Effect.delay("1 second"), Effect.forever, Effect.forkScoped)

      return Bodies.of({
        readJson: (request, accepted = "application/json") =>
          isType(request.headers, accepted)
            ? Effect.flatMap(read(request, limit, readings), textOf)
            : Effect.fail(new UnsupportedMediaTypeError({ accepted })),
        abandon: (request) => {
          const incoming = NodeHttpServerRequest.toIncomingMessage(request)
          if (incoming.complete) return
          const { "content-length": length = "0", "transfer-encoding": coding } = request.headers
          if (length === "0" && coding === undefined) return
          const outgoing = NodeHttpServerRequest.toServerResponse(request)
          abandoned.add({ incoming, outgoing, answeredAt: steadyMillis(clock) })
        },
      })
    }),
  )
}

/** Sets what `request.text` returns, because the stream can be read only once. */
export const setText = (request: Request, text: string) =>
  Object.defineProperty(request, "text", { value: Effect.succeed(text) })

type MediaType = "application/json" | "application/x-ndjson"

const isType = (headers: Request["headers"], accepted: MediaType) => {
  const encoding = headers["content-encoding"]
  const [type = ""] = (headers["content-type"] ?? "").split(";")
  const isUnencoded = encoding === undefined || encoding === "identity"
  return isUnencoded && type.trim().toLowerCase() === accepted
}

/** Reads Node's stream directly: the stock reader resumes the fiber five times for a small body. */
const read = (request: Request, maxBytes: number, readings: Set<BodyRead>) =>
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
    const onAborted = () =>
      finish(Effect.fail(new BadRequestError({ reason: "The body ended early" })))
    const detach = () => {
      readings.delete(reading)
      incoming.off("data", onData).off("end", onEnd).off("close", onAborted).off("error", onAborted)
      incoming.pause()
    }
    const finish = (result: Effect.Effect<Buffer, Refusal>) => {
      detach()
      resume(result)
    }
    const reading: BodyRead = {
      incoming,
      timeOut: () => finish(Effect.fail(new RequestTimeoutError({ reason: stalledReason }))),
      bytesReceived: -1,
      progressAt: 0,
    }
    if (incoming.destroyed) return onAborted()
    // With `Expect: 100-continue`, the client sends the body only after this.
    if (request.headers["expect"] !== undefined) {
      NodeHttpServerRequest.toServerResponse(request).writeContinue()
    }
    readings.add(reading)
    incoming.on("data", onData).on("end", onEnd).on("close", onAborted).on("error", onAborted)
    return Effect.sync(detach)
  })

const stalledReason = `No more of the body arrived for ${bodyIdleSeconds} seconds`

const textOf = (bytes: Buffer) => {
  const text = bytes.toString("utf8")
  const reason = isUtf8(bytes) ? problemOf(text) : "The body is not UTF-8"
  return reason === undefined ? Effect.succeed(text) : Effect.fail(new BadRequestError({ reason }))
}

const problemOf = (text: string) => (text.trim() === "" ? "The body is empty" : problemIn(text))
