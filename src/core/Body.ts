import {
  BadRequestError,
  PayloadTooLargeError,
  UnsupportedMediaTypeError,
} from "../domain/Errors.ts"
import { isUtf8 } from "node:buffer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"

/** The levels of nesting a JSON body may have. */
const maxDepth = 64

export type Failure = BadRequestError | PayloadTooLargeError | UnsupportedMediaTypeError

/**
 * The body of a request as JSON text that is safe to parse, or as lines of it; at most `limit` bytes of it are ever
 * held.
 */
export const readJson = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number,
  accepted: "application/json" | "application/x-ndjson" = "application/json",
): Effect.Effect<string, Failure> => {
  const { headers } = request
  const encoding = headers["content-encoding"]
  const plain = encoding === undefined || encoding === "identity"
  const [type = ""] = (headers["content-type"] ?? "").split(";")
  if (!plain || type.trim().toLowerCase() !== accepted) {
    return Effect.fail(new UnsupportedMediaTypeError({ accepted }))
  }
  return Effect.flatMap(read(request, limit), (bytes) => {
    const problem = isUtf8(bytes) ? undefined : "The body is not UTF-8"
    const text = bytes.toString("utf8")
    const reason = problem ?? problemOf(text)
    return reason === undefined
      ? Effect.succeed(text)
      : Effect.fail(new BadRequestError({ reason }))
  })
}

/** A body is read once: who asks the request for it gets this text. */
export const keepText = (request: HttpServerRequest.HttpServerRequest, text: string) =>
  Object.defineProperty(request, "text", { value: Effect.succeed(text) })

/** Read from Node's stream itself: the stock reader resumes the fiber five times for a small body. */
const read = (request: HttpServerRequest.HttpServerRequest, limit: number) =>
  Effect.callback<Buffer, BadRequestError | PayloadTooLargeError>((resume) => {
    const source = NodeHttpServerRequest.toIncomingMessage(request)
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
      source.off("data", onData).off("end", onEnd).off("close", onCut).off("error", onCut)
      source.pause()
    }
    const end = (result: Effect.Effect<Buffer, BadRequestError | PayloadTooLargeError>) => {
      stop()
      resume(result)
    }
    if (source.destroyed) return onCut()
    // The client holds the body back until it is asked for.
    if (request.headers["expect"] !== undefined) {
      NodeHttpServerRequest.toServerResponse(request).writeContinue()
    }
    source.on("data", onData).on("end", onEnd).on("close", onCut).on("error", onCut)
    return Effect.sync(stop)
  })

const problemOf = (text: string) => {
  if (text.trim() === "") return "The body is empty"
  if (tooDeep(text)) return `The body is nested over ${maxDepth} levels`
  return hasProtoKey(text) ? "The body has a __proto__ key" : undefined
}

/** Counted before parsing, so that a deep text costs nothing. */
const tooDeep = (text: string) => {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === backslash) at += 1
      else if (code === quote) quoted = false
    } else if (code === quote) quoted = true
    else if (code === brace || code === bracket) {
      depth += 1
      if (depth > maxDepth) return true
    } else if (code === braceEnd || code === bracketEnd) depth -= 1
  }
  return false
}

const [quote, backslash, brace, braceEnd, bracket, bracketEnd] = [34, 92, 123, 125, 91, 93]

/** The cheap test first: only a text that can have the key, plainly or escaped, is parsed a second time. */
const hasProtoKey = (text: string) => {
  if (!text.includes("__proto__") && !/\\u00(?:5f|70|72|6f|74)/i.test(text)) return false
  let found = false
  try {
    JSON.parse(text, (key, value: unknown) => {
      if (key === "__proto__") found = true
      return value
    })
  } catch {
    // Not JSON at all: the decoder says so.
  }
  return found
}
