import { isUtf8 } from "node:buffer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Clock, Context, Effect, Layer } from "effect"
import type { HttpServerRequest } from "effect/http"
import {
  BadRequestError,
  PayloadTooLargeError,
  RequestTimeoutError,
  UnsupportedMediaTypeError,
} from "../domain/Errors.ts"
import { problemIn } from "./JsonScan.ts"
import { Settings } from "./Settings.ts"
import { steadyMillis } from "./SteadyClock.ts"

type Request = HttpServerRequest.HttpServerRequest
type Incoming = ReturnType<typeof NodeHttpServerRequest.toIncomingMessage>
type Outgoing = ReturnType<typeof NodeHttpServerRequest.toServerResponse>

export type Failure = Refusal | UnsupportedMediaTypeError
type Refusal = BadRequestError | PayloadTooLargeError | RequestTimeoutError

/** How long a body may bring nothing, in seconds. While it brings anything it may take as long as it likes. */
const idleSeconds = 30

/** A body that is being read. */
interface Reading {
  readonly incoming: Incoming
  readonly cut: () => void
  /** Bytes that its connection had brought at the last look, and when they were last more than before, in steady ms. */
  received: number
  movedAt: number
}

/** A body that nobody reads, and when the answer to it ended, in steady ms. */
interface Abandoned {
  readonly incoming: Incoming
  readonly outgoing: Outgoing
  since: number
}

/** Reads the bodies of requests, at most BODY_LIMIT_BYTES of each, and does not wait for those that stopped coming. */
export class Bodies extends Context.Service<
  Bodies,
  {
    /** The body as JSON text that is safe to parse, or as lines of it. */
    readonly readJson: (request: Request, accepted?: MediaType) => Effect.Effect<string, Failure>
    /** The request is answered, and nobody reads its body: what is left of it may come for 30 s. */
    readonly abandon: (request: Request) => void
  }
>()("plinth/core/Bodies") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { BODY_LIMIT_BYTES: limit } = yield* Settings
      const readings = new Set<Reading>()
      const abandoned = new Set<Abandoned>()
      const clock = yield* Clock.Clock

      /** One timer for all of them, so that a body which is there at once costs next to nothing. */
      const look = Effect.sync(() => {
        const now = steadyMillis(clock)
        for (const reading of readings) {
          const { bytesRead } = reading.incoming.socket
          if (bytesRead > reading.received) {
            reading.received = bytesRead
            reading.movedAt = now
          } else if (now - reading.movedAt >= idleSeconds * 1000) reading.cut()
        }
        for (const body of abandoned) {
          const { incoming, outgoing, since } = body
          if (incoming.complete || incoming.destroyed) abandoned.delete(body)
          else if (!outgoing.writableFinished) body.since = now
          else if (now - since >= idleSeconds * 1000) incoming.socket.destroy()
        }
      })
      yield* look.pipe(Effect.delay("1 second"), Effect.forever, Effect.forkScoped)

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
          abandoned.add({ incoming, outgoing, since: steadyMillis(clock) })
        },
      })
    }),
  )
}

/** A body is read once: who asks the request for it gets this text. */
export const keepText = (request: Request, text: string) =>
  Object.defineProperty(request, "text", { value: Effect.succeed(text) })

type MediaType = "application/json" | "application/x-ndjson"

const isType = (headers: Request["headers"], accepted: MediaType) => {
  const encoding = headers["content-encoding"]
  const [type = ""] = (headers["content-type"] ?? "").split(";")
  const isPlain = encoding === undefined || encoding === "identity"
  return isPlain && type.trim().toLowerCase() === accepted
}

/** From Node's stream itself: the stock reader resumes the fiber five times for a small body. */
const read = (request: Request, limit: number, readings: Set<Reading>) =>
  Effect.callback<Buffer, Refusal>((resume) => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Buffer> = []
    let size = 0
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) return end(Effect.fail(new PayloadTooLargeError({ limit })))
      chunks.push(chunk)
    }
    const onEnd = () => end(Effect.succeed(Buffer.concat(chunks, size)))
    const onCut = () => end(Effect.fail(new BadRequestError({ reason: "The body ended early" })))
    const stop = () => {
      readings.delete(reading)
      incoming.off("data", onData).off("end", onEnd).off("close", onCut).off("error", onCut)
      incoming.pause()
    }
    const end = (result: Effect.Effect<Buffer, Refusal>) => {
      stop()
      resume(result)
    }
    const reading: Reading = {
      incoming,
      cut: () => end(Effect.fail(new RequestTimeoutError({ reason: stalled }))),
      received: -1,
      movedAt: 0,
    }
    if (incoming.destroyed) return onCut()
    // The client holds the body back until it is asked for.
    if (request.headers["expect"] !== undefined) {
      NodeHttpServerRequest.toServerResponse(request).writeContinue()
    }
    readings.add(reading)
    incoming.on("data", onData).on("end", onEnd).on("close", onCut).on("error", onCut)
    return Effect.sync(stop)
  })

const stalled = `Nothing more of the body came for ${idleSeconds} seconds`

const textOf = (bytes: Buffer) => {
  const text = bytes.toString("utf8")
  const reason = isUtf8(bytes) ? problemOf(text) : "The body is not UTF-8"
  return reason === undefined ? Effect.succeed(text) : Effect.fail(new BadRequestError({ reason }))
}

const problemOf = (text: string) => (text.trim() === "" ? "The body is empty" : problemIn(text))
