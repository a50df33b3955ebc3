import { isUtf8 } from "node:buffer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Clock, Context, Effect, Layer, Stream } from "effect"
import { HttpIncomingMessage, type HttpServerRequest, Multipart } from "effect/http"
import { bodyIdleSeconds } from "../domain/Bounds.ts"
import { BadRequestError, UnsupportedMediaTypeError } from "../domain/Errors.ts"
import { type Body, type BodyRead, readAll, type Refusal, streamOf } from "./BodyReaders.ts"
import { problemIn } from "./JsonScan.ts"
import { Settings } from "../core/settings/Settings.ts"
import { steadyMillis } from "../core/SteadyClock.ts"

type Request = HttpServerRequest.HttpServerRequest
type Incoming = ReturnType<typeof NodeHttpServerRequest.toIncomingMessage>
type Outgoing = ReturnType<typeof NodeHttpServerRequest.toServerResponse>

export type Failure = Refusal | UnsupportedMediaTypeError

/** The unread body of an answered request, and the steady time in ms at which the response was complete. */
interface AbandonedBody {
  readonly incoming: Incoming
  readonly outgoing: Outgoing
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
    /** Call when a request was answered without reading its body. The client may send the rest for up to 30 s. */
    readonly abandon: (request: Request) => void
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

      const readBytes = (request: Request, accepted: Accepted): Effect.Effect<Buffer, Failure> =>
        isAccepted(request.headers, accepted)
          ? readAll(request, accepted.maxBytes ?? limit, activeReads)
          : refuseType(accepted)

      return Bodies.of({
        readJson: (request, accepted = json) =>
          Effect.flatMap(readBytes(request, accepted), textOf),
        readBytes,
        openStream: (request, accepted) => {
          if (!isAccepted(request.headers, accepted)) return refuseType(accepted)
          const maxBytes = accepted.maxBytes ?? limit
          return Effect.sync(() =>
            setStream(request, streamOf(request, maxBytes, activeReads), maxBytes),
          )
        },
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

const json: Accepted = { types: ["application/json"] }

const isAccepted = (headers: Request["headers"], { types }: Accepted) => {
  const encoding = headers["content-encoding"]
  const [type = ""] = (headers["content-type"] ?? "").split(";")
  const isUnencoded = encoding === undefined || encoding === "identity"
  return isUnencoded && types.includes(type.trim().toLowerCase())
}

const refuseType = ({ types }: Accepted) =>
  Effect.fail(new UnsupportedMediaTypeError({ accepted: types.join(", ") }))

const textOf = (bytes: Buffer) => {
  const text = bytes.toString("utf8")
  const reason = isUtf8(bytes) ? problemOf(text) : "The body is not UTF-8"
  return reason === undefined ? Effect.succeed(text) : Effect.fail(new BadRequestError({ reason }))
}

const problemOf = (text: string) => (text.trim() === "" ? "The body is empty" : problemIn(text))
