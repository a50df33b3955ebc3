import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { Context, Effect, Layer } from "effect"
import { Metrics } from "../core/telemetry/Metrics.ts"
import { Settings } from "../core/settings/Settings.ts"
import { badRequest, methodNotAllowed, payloadTooLarge, requestTimeout } from "./EdgeFailures.ts"
import { envelope, type FailureKind } from "./Envelope.ts"
import { requestId, unmatched } from "./Exchange.ts"
import { type HeaderSet, headerSets } from "./Headers.ts"

/**
 * Responses to input that never becomes a request: bytes that are not HTTP, headers over the limit, headers that arrive
 * too slowly, CONNECT. Node's own responses would have no envelope.
 */
export class RawAnswers extends Context.Service<
  RawAnswers,
  {
    readonly onClientError: (error: Error & { readonly code?: string }, socket: Duplex) => void
    readonly onConnect: (request: IncomingMessage, socket: Duplex) => void
  }
>()("plinth/http/RawAnswers") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const headers = headerSets(yield* Settings).personal(undefined)

      const respond = (
        socket: Duplex,
        { code, status }: FailureKind,
        message: string,
        extraHeaders: HeaderSet = {},
      ) => {
        metrics.httpStarted("OTHER", unmatched)
        metrics.httpFinished("OTHER", unmatched, status, 0)
        const body = JSON.stringify(envelope(code, message))
        const head = Object.entries({
          ...headers,
          ...extraHeaders,
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(body)),
          "x-request-id": requestId(undefined),
          connection: "close",
        }).map(([name, value]) => `${name}: ${value}`)
        socket.end(
          `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join("\r\n")}\r\n\r\n${body}`,
        )
      }

      return RawAnswers.of({
        onClientError: (error, socket) => {
          if (error.code === "ECONNRESET" || !socket.writable || isResponseStarted(socket)) {
            socket.destroy()
            return
          }
          const [kind, message] = failures[error.code ?? ""] ?? [
            badRequest,
            "Malformed HTTP request",
          ]
          respond(socket, kind, message)
        },
        // CONNECT names a host, which supports no method here, so Allow is empty (RFC 9110 §10.2.1).
        onConnect: (_, socket) =>
          respond(socket, methodNotAllowed, "Method not allowed", { allow: "" }),
      })
    }),
  )
}

const failures: Readonly<Record<string, readonly [kind: FailureKind, message: string]>> = {
  HPE_HEADER_OVERFLOW: [{ ...badRequest, status: 431 }, "The headers are over the limit"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [payloadTooLarge, "The chunk extensions are over the limit"],
  ERR_HTTP_REQUEST_TIMEOUT: [requestTimeout, "The request did not arrive in time"],
}

/** Returns whether a response has begun on this connection: a second one would corrupt it. Node stores it there. */
const isResponseStarted = (socket: Duplex & { readonly _httpMessage?: ServerResponse | null }) =>
  socket._httpMessage?.headersSent === true
