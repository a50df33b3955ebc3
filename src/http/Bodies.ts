import { isUtf8 } from "node:buffer"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Clock, Context, Effect, Exit, Layer, Stream } from "effect"
import { HttpIncomingMessage, type HttpServerRequest, Multipart } from "effect/http"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import { BadRequestError, UnsupportedMediaTypeError } from "../domain/Errors.ts"
import {
  type Body,
  type BodyRead,
  type NodeExchange,
  readAll,
  type Refusal,
  streamOf,
} from "./BodyReaders.ts"
import { problemIn } from "./JsonScan.ts"
import { Settings } from "../core/settings/Settings.ts"
import { steadyMillis } from "../core/SteadyClock.ts"

type Request = HttpServerRequest.HttpServerRequest

export type Failure = Refusal | UnsupportedMediaTypeError

/** The unread body of an answered request, and the steady time in ms at which the response was complete. */
interface AbandonedBody extends NodeExchange {
  answeredAt: number
}

/** A body that an endpoint accepts: its media types, and its limit in bytes if that is not BODY_LIMIT_BYTES. */
export interface Accepted {
  readonly types: ReadonlyArray<string>
  readonly maxBytes?: number | undefined
}

/** Reads request bodies up to a limit, and times out bodies that stall. */
export class Bodies extends Context.Service<
  Bodies,
  {
    /** Returns the body as JSON text that is safe to parse, or as lines of such text. */
    readonly readJson: (request: Request, accepted?: Accepted) => Effect.Effect<string, Failure>
    /** Returns the bytes of the body as they were sent. */
    readonly readBytes: (request: Request, accepted: Accepted) => Effect.Effect<Buffer, Failure>
    /** Makes `request.stream` and `request.multipartStream` read the body as it arrives. A refused body is a defect. */
    readonly openStream: (request: Request, accepted: Accepted) => Effect.Effect<void, Failure>
    /** Reads the bytes of a body and calls `done` once, unless the returned function cancels the reading. */
    readonly read: (
      exchange: NodeExchange,
      maxBytes: number,
      done: (body: Exit.Exit<Buffer, Refusal>) => void,
    ) => () => void
    /** Call when a request was answered without reading its body. The client may send the rest for up to 30 s. */
    readonly abandon: (exchange: NodeExchange) => void
  }
>()("plinth/http/Bodies") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { BODY_LIMIT_BYTES: limit } = yield* Settings
      const activeReads = new Set<BodyRead>()
      const abandoned = new Set<AbandonedBody>()
      const clock = yield* Clock.Clock

      /** One timer serves all bodies, so that a body that arrives immediately costs next to nothing. */
      const checkStalled = Effect.sync(() => {
        const now = steadyMillis(clock)
        for (const reading of activeReads) {
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

      const read: Bodies["Service"]["read"] = (exchange, maxBytes, done) =>
        readAll(exchange, { maxBytes, activeReads }, done)

      const readBytes = (request: Request, accepted: Accepted): Effect.Effect<Buffer, Failure> =>
        isAccepted(request.headers, accepted)
          ? Effect.callback((resume) =>
              Effect.sync(read(nodeExchangeOf(request), accepted.maxBytes ?? limit, resume)),
            )
          : refuseType(accepted)

      return Bodies.of({
        readJson: (request, accepted = json) =>
          Effect.flatMap(readBytes(request, accepted), textOf),
        readBytes,
        read,
        openStream: (request, accepted) => {
          if (!isAccepted(request.headers, accepted)) return refuseType(accepted)
          const maxBytes = accepted.maxBytes ?? limit
          const body = streamOf(nodeExchangeOf(request), { maxBytes, activeReads })
          return Effect.sync(() => setStream(request, body, maxBytes))
        },
        abandon: ({ incoming, outgoing }) => {
          if (incoming.complete) return
          const { "content-length": length = "0", "transfer-encoding": coding } = incoming.headers
          if (length === "0" && coding === undefined) return
          abandoned.add({ incoming, outgoing, answeredAt: steadyMillis(clock) })
        },
      })
    }),
  )
}

/** Sets what `request.text` returns, because the stream can be read only once. */
export const setText = (request: Request, text: string) =>
  Object.defineProperty(request, "text", { value: Effect.succeed(text) })

/** Sets what `request.arrayBuffer` and `request.text` return. */
export const setBytes = (request: Request, bytes: Buffer) =>
  Object.defineProperties(request, {
    arrayBuffer: { value: Effect.sync(() => Uint8Array.from(bytes).buffer) },
    text: { value: Effect.sync(() => bytes.toString("utf8")) },
  })

const setStream = (request: Request, body: Body, maxBytes: number) => {
  const stream = Stream.orDie(body)
  const parts = Stream.pipeThroughChannel(stream, Multipart.makeChannel(request.headers))
  Object.defineProperties(request, {
    stream: { value: stream },
    multipartStream: {
      value: Stream.provideService(
        parts,
        HttpIncomingMessage.MaxBodySize,
        ByteSize.bytes(maxBytes),
      ),
    },
  })
}

/** Node's objects of a request. `Server` speaks HTTP/1 only. */
export const nodeExchangeOf = (request: Request): NodeExchange => ({
  incoming: NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage,
  outgoing: NodeHttpServerRequest.toServerResponse(request) as ServerResponse,
})

const json: Accepted = { types: ["application/json"] }

const isAccepted = (headers: Request["headers"], { types }: Accepted) => {
  const encoding = headers["content-encoding"]
  const [type = ""] = (headers["content-type"] ?? "").split(";")
  const isUnencoded = encoding === undefined || encoding === "identity"
  return isUnencoded && types.includes(type.trim().toLowerCase())
}

const refuseType = ({ types }: Accepted) =>
  Effect.fail(new UnsupportedMediaTypeError({ accepted: types.join(", ") }))

/** Returns JSON text, or lines of it, that is safe to parse. */
export const textOf = (bytes: Buffer): Exit.Exit<string, BadRequestError> => {
  const text = bytes.toString("utf8")
  const reason = isUtf8(bytes) ? problemOf(text) : "The body is not UTF-8"
  return reason === undefined ? Exit.succeed(text) : Exit.fail(new BadRequestError({ reason }))
}

const problemOf = (text: string) => (text.trim() === "" ? "The body is empty" : problemIn(text))
