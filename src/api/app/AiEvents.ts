import { Cause, Effect, Schedule, Schema, Stream } from "effect"
import type { AiCompletion, AiEvent } from "../../domain/ai/Ai.ts"
import { ExternalServiceError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { envelope, enveloped } from "../../http/Envelope.ts"

/** The interval of comments, which keep proxies and clients from closing an idle stream. */
const keepAliveInterval = "15 seconds"

type Failure = ExternalServiceError | ServiceUnavailableError

/**
 * Encodes server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). Text is written after
 * `data: ` and JSON after `data:`. To a parser these are the same; simple clients that look for lines beginning with
 * `data: ` find only the text.
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
    // Events that are ready together are sent in one write.
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

/** Holds back a carriage return at the end of a text, because the next text may begin with its line feed. */
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

/** Puts each line of the text into a `data` field; a parser joins them again. */
const dataFrame = (text: string) => `data: ${text.replaceAll(/\r\n|\r|\n/g, "\ndata: ")}\n\n`

const encode = Schema.encodeSync(
  Schema.fromJsonString(
    Schema.Union([enveloped(ExternalServiceError), enveloped(ServiceUnavailableError)]),
  ),
)

/** Returns the public JSON of a failure. A defect is logged and sent as INTERNAL_ERROR. */
const toPublicJson = (cause: Cause.Cause<Failure>) => {
  const error = Cause.squash(cause)
  return error instanceof ExternalServiceError || error instanceof ServiceUnavailableError
    ? Effect.succeed(encode(error))
    : Effect.as(
        Effect.logError("AI stream failed", cause),
        JSON.stringify(envelope("INTERNAL_ERROR", "Internal error")),
      )
}
