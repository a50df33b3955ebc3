import { Effect, Schema, Stream } from "effect"
import { Issues } from "../domain/Issues.ts"
import { CallsInBody } from "./Call.ts"

type Input = Schema.Codec<unknown, unknown>

/**
 * Returns a decoder. A call that is alone in its body reports all its issues. Calls that share a body report only their
 * first issue, because finding all issues of each call would take many times as long as parsing the body.
 */
const makeDecoder = <In extends Input>(input: In) => {
  const decode = Schema.decodeUnknownEffect(input)
  const issuesIn = (payload: unknown, errors: "all" | "first") =>
    Effect.mapError(decode(payload, { errors }), ({ issue }) => Issues.of(issue).error)
  return (payload: unknown) =>
    Effect.catchEager(decode(payload), () =>
      Effect.flatMap(CallsInBody, (calls) => issuesIn(payload, calls === 1 ? "all" : "first")),
    )
}

/** Returns a handler that decodes its payload with `input`. */
export const decoded = <In extends Input, A, E, R>(
  input: In,
  handle: (value: In["Type"]) => Effect.Effect<A, E, R>,
) => {
  const decode = makeDecoder(input)
  return (payload: unknown) => Effect.flatMapEager(decode(payload), handle)
}

/** Like `decoded`, for a method that answers with a stream. */
export const decodedStream = <In extends Input, A, E, R>(
  input: In,
  handle: (value: In["Type"]) => Stream.Stream<A, E, R>,
) => {
  const decode = makeDecoder(input)
  return (payload: unknown) => Stream.unwrap(Effect.map(decode(payload), handle))
}
