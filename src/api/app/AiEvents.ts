import { Cause, Effect, Schedule, Schema, Stream } from "effect"
import type { AiCompletion, AiEvent } from "../../domain/Ai.ts"
import { ExternalServiceError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { envelope, enveloped } from "../Envelope.ts"

/** How often a comment tells proxies and clients that somebody is there. */
const keepAliveInterval = "15 seconds"

type Failure = ExternalServiceError | ServiceUnavailableError

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as bytes. Texts have a space
 * after the colon, JSON has none: the same to a parser, and skipped by readers of lines that look for text alone.
 */
export const encodeEvents = (events: Stream.Stream<AiEvent, Failure>): Stream.Stream<Uint8Array> =>
  events.pipe(
    Stream.map(makeWriter()),
    Stream.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Stream.failCause(cause)
        : Stream.fromEffect(
            Effect.map(toPublicJson(cause), (json) => `event: error\ndata:${json}\n\n`),
          ),
    ),
    // One write for what is there together.
    Stream.mapArray((texts) => [encoder.encode(texts.join(""))]),
    Stream.merge(
      Stream.as(Stream.fromSchedule(Schedule.spaced(keepAliveInterval)), keepAliveComment),
      {
        haltStrategy: "left",
      },
    ),
    Stream.orDie,
  )

const encoder = new TextEncoder()
const keepAliveComment = encoder.encode(": keep-alive\n\n")

/** A carriage return at the end of a text waits for the next one, which may have the rest of its line end. */
const makeWriter = () => {
  let pendingReturn = ""
  return (event: AiEvent) => {
    const text = event._tag === "delta" ? pendingReturn + event.text : pendingReturn
    pendingReturn = event._tag === "delta" && text.endsWith("\r") ? "\r" : ""
    const complete = pendingReturn === "" ? text : text.slice(0, -1)
    const delta = complete === "" ? "" : dataFrame(complete)
    return event._tag === "delta" ? delta : delta + finalFrames(event.completion)
  }
}

const finalFrames = ({ content: _content, usage, ...rest }: AiCompletion) =>
  `event: usage\ndata:${JSON.stringify({ ...usage, ...rest })}\n\ndata: [DONE]\n\n`

/** Each line is one of its own; a parser puts them together again. */
const dataFrame = (text: string) => `data: ${text.replaceAll(/\r\n|\r|\n/g, "\ndata: ")}\n\n`

const encode = Schema.encodeSync(
  Schema.fromJsonString(
    Schema.Union([enveloped(ExternalServiceError), enveloped(ServiceUnavailableError)]),
  ),
)

/** What anybody may know of it. A bug is told to us. */
const toPublicJson = (cause: Cause.Cause<Failure>) => {
  const error = Cause.squash(cause)
  return error instanceof ExternalServiceError || error instanceof ServiceUnavailableError
    ? Effect.succeed(encode(error))
    : Effect.as(
        Effect.logError("stream failed", cause),
        JSON.stringify(envelope("INTERNAL_ERROR", "Internal error")),
      )
}
